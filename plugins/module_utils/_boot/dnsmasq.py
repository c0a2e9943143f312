# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's lines for dnsmasq: its reservation (``dhcp-hostsdir``) and its name (``hostsdir``); see dnsmasq(8)."""

from __future__ import annotations

from .._nodes.registry import Node


def render_dhcp_host(node: Node, *, lease_time: int) -> str:
    """Return the line that reserves ``node``'s address for all its interfaces; ``lease_time`` is in seconds."""
    return f"{','.join(node.macs)},set:perceus,{node.address},{node.name},{lease_time}\n"


def render_dns_host(node: Node, *, domain: str) -> str:
    """Return the line, in the form of hosts(5), that gives ``node``'s address its names."""
    return f"{node.address} {node.name}.{domain} {node.name}\n"
