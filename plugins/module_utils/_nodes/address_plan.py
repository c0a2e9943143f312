# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses of the private network nodes may have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from ipaddress import IPv4Address

from .._config import ClusterConfig
from .._errors import PerceusError
from .registry import Node

try:
    from netaddr import IPNetwork, IPRange, IPSet
except ImportError:
    IPSet = None

NOWHERE = IPv4Address(0)  # of a node that has no address yet


def find_unfit(addresses: Collection[IPv4Address], config: ClusterConfig) -> dict[IPv4Address, str]:
    """Return those of the addresses that no node can have, with the reason."""
    if not addresses:
        return {}
    if IPSet is None:
        raise PerceusError(
            "Cannot check addresses: the Python library netaddr is missing",
            hint="Install the package python3-netaddr on the master, as playbooks/site.yml does",
        )
    network = IPNetwork(str(config.address.network))
    discovery = IPSet(IPRange(str(config.discovery_range.first), str(config.discovery_range.last)))
    reserved = {
        "it is the master's own": IPSet([str(config.address.ip)]),
        f"it is in discovery_range {config.discovery_range}": discovery,
        f"no host can have it in {network}": IPSet([network.network, network.broadcast]),
    }
    unfit = {}
    for address in addresses:
        reasons = [reason for reason, others in reserved.items() if str(address) in others]
        if str(address) not in network:
            reasons = [f"it is not in the network {network}"]
        if reasons:
            unfit[address] = reasons[0]
    return unfit


def require_addresses(nodes: Collection[Node], config: ClusterConfig) -> None:
    """Raise :class:`PerceusError` when one of these nodes has an address that no node can have."""
    unfit = find_unfit([node.address for node in nodes], config)
    for node in nodes:
        if node.address in unfit:
            raise PerceusError(
                f"Cannot give node {node.name!r} the address {node.address}: {unfit[node.address]}",
                hint=f"Choose one in node_range {config.node_range}, or another free one in {config.address.network}",
            )


def place(nodes: dict[str, Node], config: ClusterConfig) -> dict[str, Node]:
    """Return these nodes by name, each with an address.

    Those that are :data:`NOWHERE` get that of their number, or else the last that nobody has, as numbers are given away
    from the other end. Raises :class:`PerceusError` when there is none.
    """
    numbered = {
        name: replace(node, address=config.address_of(number))
        for name, node in nodes.items()
        if node.address == NOWHERE
        and (number := config.node_name.number_of(name)) is not None
        and number in config.numbers
    }
    placed = {**nodes, **numbered}
    taken = {node.address for node in placed.values()}
    spare = (config.address_of(number) for number in reversed(config.numbers) if config.address_of(number) not in taken)
    for name, node in placed.items():
        if node.address == NOWHERE:
            address = next(spare, None)
            if address is None:
                raise PerceusError(
                    f"Cannot give node {name!r} an address: node_range {config.node_range} has no free one",
                    hint="Say which one it has, widen node_range, or remove nodes",
                )
            placed[name] = replace(node, address=address)
    return placed
