# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines on the wire become nodes, and which nodes they become. Pure: the same input gives the same plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from .._config import ClusterConfig
from .._leases.lease import Lease
from .registry import Group, Node, Registry


@dataclass(frozen=True)
class AdoptionPlan:
    """``nodes`` are new; ``left_over`` are the MACs of machines for which the node range has no number."""

    nodes: tuple[Node, ...]
    left_over: tuple[str, ...]


def plan_adoption(
    leases: Iterable[Lease],
    registry: Registry,
    config: ClusterConfig,
    *,
    held: Collection[str] = (),
    now: datetime,
    new_machine_id: Callable[[], str],
) -> AdoptionPlan:
    """Give each unknown machine with a live lease the first free number, in the order in which the leases end.

    The MACs ``held`` are left alone. ``now`` is aware. ``new_machine_id`` returns 32 hex digits, different ones at each
    call.
    """
    if config.adoption != "adopt":
        return AdoptionPlan((), ())
    numbers = free_numbers(registry, config)
    adopted = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    nodes, left_over = [], []
    for mac in _unknown_macs(leases, registry, config, held, now=now):
        number = next(numbers, None)
        if number is None:
            left_over.append(mac)
            continue
        nodes.append(
            Node(
                name=config.name_of(number),
                macs=(mac,),
                address=config.address_of(number),
                group=config.default_group,
                enabled=True,
                machine_id=new_machine_id(),
                adopted=adopted,
            )
        )
    return AdoptionPlan(tuple(nodes), tuple(left_over))


def apply_adoption(plan: AdoptionPlan, registry: Registry, config: ClusterConfig) -> Registry:
    """Return the registry with the plan's nodes, and with the default group when they are its first."""
    if not plan.nodes:
        return registry
    groups = {config.default_group: Group(config.default_group), **registry.groups}
    return replace(registry, groups=groups).with_nodes(plan.nodes)


def _unknown_macs(
    leases: Iterable[Lease], registry: Registry, config: ClusterConfig, held: Collection[str], *, now: datetime
) -> list[str]:
    network = config.address.network
    known = registry.by_mac.keys() | registry.masked_macs(config) | set(held)
    new = (
        lease
        for lease in leases
        if lease.mac not in known
        and lease.is_live(now)
        and lease.address in network
        and registry.dismissed.get(lease.mac) != (lease.expiry or 0)
    )
    ordered = sorted(new, key=lambda lease: (lease.end(), lease.mac))
    return list(dict.fromkeys(lease.mac for lease in ordered))


def free_numbers(registry: Registry, config: ClusterConfig) -> Iterator[int]:
    """Yield the numbers whose name and address no node has, lowest first."""
    taken = {node.address for node in registry.nodes}
    for number in config.numbers:
        if config.name_of(number) not in registry.by_name and config.address_of(number) not in taken:
            yield number
