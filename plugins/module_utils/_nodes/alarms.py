# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong between machines and registry, for an operator to look at. Pure: an alarm ends with its cause.

A DHCP client's name is never an identity: that it is a node's is worth an alarm, and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from .._config import ClusterConfig
from .._leases.lease import Lease
from .adoption import AdoptionPlan
from .discoveries import Discovery
from .record import Alarm, Evidence
from .registry import Node, Registry

RECENT = timedelta(days=1)  # how long two machines with one MAC address are told of after they last asked

DUPLICATE_ADDRESS, DUPLICATE_MAC, DUPLICATE_NAME = "duplicate_address", "duplicate_mac", "duplicate_name"
NEW_MAC, RANGE_EXHAUSTED, SECOND_NIC = "new_mac", "range_exhausted", "second_nic"
KINDS = (DUPLICATE_ADDRESS, DUPLICATE_MAC, DUPLICATE_NAME, NEW_MAC, RANGE_EXHAUSTED, SECOND_NIC)


def find_alarms(
    seen: Mapping[str, Evidence],
    leases: Iterable[Lease],
    discoveries: Iterable[Discovery],
    registry: Registry,
    masked: Collection[str],
    *,
    is_running: Callable[[Node], bool],
    now: datetime,
) -> list[Alarm]:
    """Return what is wrong now. ``is_running`` says whether a node is known to be up; ``now`` is aware."""
    live = [lease for lease in leases if lease.is_live(now) and lease.mac not in masked]
    leased = {lease.mac for lease in live}
    recent = [found for found in discoveries if found.mac not in masked and now - found.time < RECENT]
    return [
        *_claims(live, registry),
        *_same_machines(seen, lambda node: not leased.isdisjoint(node.macs) or is_running(node), registry),
        *_same_macs(recent, registry),
    ]


def find_left_over(plan: AdoptionPlan, config: ClusterConfig) -> list[Alarm]:
    """Return the alarm about machines for which there is no number, if there are any."""
    if not plan.left_over:
        return []
    return [
        _alarm(
            RANGE_EXHAUSTED,
            plan.left_over,
            (),
            f"Cannot adopt all machines: node_range {config.node_range} has no free address",
            "Widen node_range, remove nodes, or mask machines that are none",
        )
    ]


def held_back(alarms: Iterable[Alarm], registry: Registry) -> set[str]:
    """Return the MACs that are not adopted before an operator has looked: each may be a node's, or the same machine's
    as another one's.
    """
    held: set[str] = set()
    for alarm in alarms:
        if alarm.kind in (NEW_MAC, SECOND_NIC):
            unknown = [mac for mac in alarm.macs if mac not in registry.by_mac]
            held.update(unknown if alarm.nodes else unknown[1:])
    return held


def since(alarms: Iterable[Alarm], before: Iterable[Alarm], *, now: str) -> tuple[Alarm, ...]:
    """Return the alarms in order, each with the time when it began: ``now`` if it was none ``before``."""
    began = {_cause(alarm): alarm.first_seen for alarm in before}
    dated = (replace(alarm, first_seen=began.get(_cause(alarm), now)) for alarm in alarms)
    return tuple(sorted(dated, key=lambda alarm: (alarm.kind, alarm.macs)))


def _cause(alarm: Alarm) -> tuple[object, ...]:
    """Return what makes it the same alarm: there is one range, whichever machines come and go while it is full."""
    return (alarm.kind,) if alarm.kind == RANGE_EXHAUSTED else (alarm.kind, alarm.macs, alarm.nodes)


def _claims(live: Iterable[Lease], registry: Registry) -> Iterator[Alarm]:
    """Find leases with a node's name or address that are another machine's."""
    by_address = {node.address: node for node in registry.nodes}
    for lease in live:
        mac, own = lease.mac, registry.by_mac.get(lease.mac)
        claimed = registry.by_name.get(lease.client_name.partition(".")[0].lower())
        if claimed is not None and own is None:
            yield _alarm(
                NEW_MAC,
                (mac,),
                (claimed.name,),
                f"{mac}, which is no node's, calls itself {claimed.name}",
                f"If it is {claimed.name} with a new interface, replace its MAC by {mac}; else adopt or mask it",
            )
        elif claimed is not None and own is not None and own.name != claimed.name:
            yield _alarm(
                DUPLICATE_NAME,
                (mac,),
                (claimed.name, own.name),
                f"{own.name} ({mac}) calls itself {claimed.name}",
                f"Correct the host name that {own.name} sends with DHCP; it counts for nothing",
            )
        lent = by_address.get(lease.address)
        if lent is not None and mac not in lent.macs:
            yield _alarm(
                DUPLICATE_ADDRESS,
                (mac,),
                (lent.name,),
                f"{mac} was lent {lease.address}, which is {lent.name}'s",
                "Take node_range out of what the network's DHCP server lends, or give the node another address",
            )


def _same_machines(
    seen: Mapping[str, Evidence], is_there: Callable[[Node], bool], registry: Registry
) -> Iterator[Alarm]:
    """Find MACs of one machine, by its firmware's word, that are not all one node's."""
    machines = defaultdict(list)
    for mac in sorted(seen):
        identity = seen[mac].hardware.identity
        if identity is not None:
            machines[identity].append(mac)
    for (serial, _uuid), macs in machines.items():
        names = sorted({registry.by_mac[mac].name for mac in macs if mac in registry.by_mac})
        unknown = [mac for mac in macs if mac not in registry.by_mac]
        if len(macs) < 2 or (len(names) == 1 and not unknown):
            continue
        who = f"{' and '.join(macs)} are of one machine, serial number {serial}"
        if len(names) == 1 and not is_there(registry.by_name[names[0]]):
            yield _alarm(
                NEW_MAC,
                tuple(unknown),
                tuple(names),
                f"{names[0]} has another MAC: {who}",
                f"If an interface was replaced, replace {names[0]}'s MAC by {' and '.join(unknown)}",
            )
        else:
            yield _alarm(
                SECOND_NIC,
                tuple(macs),
                tuple(names),
                f"{who}{', and in the registry as ' + ' and '.join(names) if names else ''}",
                "Give one node all of them, or mask those that shall not boot",
            )


def _same_macs(recent: Iterable[Discovery], registry: Registry) -> Iterator[Alarm]:
    """Find MACs with which more than one machine has asked for a boot script."""
    machines = defaultdict(set)
    for found in recent:
        if found.hardware.identity is not None:
            machines[found.mac].add(found.hardware.identity)
    for mac, identities in machines.items():
        if len(identities) < 2:
            continue
        node = registry.by_mac.get(mac)
        serials = " and ".join(sorted(serial for serial, _uuid in identities))
        yield _alarm(
            DUPLICATE_MAC,
            (mac,),
            (node.name,) if node else (),
            f"More than one machine has the MAC {mac}: serial numbers {serials}",
            "If the interface moved from one to the other, this passes within a day; else give one of them another MAC",
        )


def _alarm(kind: str, macs: tuple[str, ...], nodes: tuple[str, ...], message: str, hint: str) -> Alarm:
    return Alarm(kind, macs, nodes, "", message, hint)
