# SPDX-License-Identifier: GPL-3.0-or-later
"""What dnsmasq is to know: reservations and masks (``dhcp-hostsfile``), and names (``addn-hosts``); see dnsmasq(8).

One file of each, read anew at each reload: dnsmasq's folders that need none (``dhcp-hostsdir``, ``hostsdir``) never
forget an entry, and cost it a pass over all leases and reservations for each new file.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._nodes.registry import Node

DHCP_HOSTS, DNS_HOSTS = "dhcp-hosts", "dns-hosts"


def render_dhcp_hosts(nodes: Iterable[Node], masked: Iterable[str], *, lease_time: int) -> str:
    """Return the lines that have the MACs ``masked`` ignored, and each node's address reserved for all its interfaces.

    ``lease_time`` is in seconds. No line may set a tag: dnsmasq 2.90 ends with a segmentation fault when it is to
    forget one that it used.
    """
    masks = [f"{mac},ignore\n" for mac in sorted(masked)]
    return "".join([*masks, *(_reservation(node, lease_time) for node in nodes)])


def _reservation(node: Node, lease_time: int) -> str:
    return f"{','.join(node.macs)},{node.address},{node.name},{lease_time}\n"


def render_dns_hosts(nodes: Iterable[Node], *, domain: str) -> str:
    """Return the lines, in the form of hosts(5), that give the nodes' addresses their names."""
    return "".join(f"{node.address} {node.name}.{domain} {node.name}\n" for node in nodes)
