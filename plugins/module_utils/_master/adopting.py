# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconciler's first half: machines on the wire become nodes, or wait; what was seen of them is kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from ipaddress import IPv4Address

from .._config import ClusterConfig
from .._errors import PerceusError
from .._leases.reader import load_leases
from .._nodes.adoption import apply_adoption, plan_adoption
from .._nodes.alarms import find_alarms, find_left_over, held_back, since
from .._nodes.discoveries import Discovery, believe, load_discoveries, load_neighbours
from .._nodes.evidence import gather_evidence, lent_otherwise, settle
from .._nodes.record import NODE, Record, load_all
from .._nodes.registry import Registry
from .._nodes.registry_file import save_registry

Say = Callable[[str], None]


def adopt(config: ClusterConfig, registry: Registry, *, say: Say) -> tuple[Registry, list[PerceusError]]:
    """Return the registry with the machines that became nodes, which is on disk then, and what kept others out.

    The caller holds the cluster's lock since it read the registry.
    """
    now = datetime.now(timezone.utc)
    before, problems = _load_record(config)
    leases = load_leases(config.leases, missing_ok=True).leases
    discoveries = _load_discoveries(config, {lease.mac: lease.address for lease in leases})
    if config.dhcp_mode == "proxy":
        leases = tuple({lease.mac: lease for lease in (*lent_otherwise(discoveries), *leases)}.values())
    masked = registry.masked_macs(config)
    seen = gather_evidence(before.by_mac, leases, discoveries, registry, masked, now=now)
    alarms = find_alarms(seen, leases, discoveries, registry, masked, now=now)
    held = held_back(alarms, registry)
    plan = plan_adoption(leases, registry, config, held=held, now=now, new_machine_id=lambda: uuid.uuid4().hex)
    registry = apply_adoption(plan, registry, config)
    if plan.nodes:
        save_registry(config.registry, registry)
    for node in plan.nodes:
        say(f"adopted {node.macs[0]} as {node.name} {node.address}")
    left_over = find_left_over(plan, config)
    record = Record(
        settle(seen, plan, registry, config, held=held, now=now),
        since([*alarms, *left_over], before.alarms, now=now.strftime("%Y-%m-%dT%H:%M:%SZ")),
    )
    if problems or record != before:
        record.save(config)
    _tell(before, record, say=say)
    return registry, [*problems, *(PerceusError(alarm.message, hint=alarm.hint) for alarm in left_over)]


def _load_record(config: ClusterConfig) -> tuple[Record, list[PerceusError]]:
    """What was seen can be seen again: a record that cannot be read stops nothing."""
    try:
        return load_all(config), []
    except PerceusError as error:
        return Record(), [error]


def _load_discoveries(config: ClusterConfig, lent: dict[str, IPv4Address]) -> list[Discovery]:
    """Return what machines said of themselves, if it is known that they were it."""
    return believe(load_discoveries(config.boots), [lent, load_neighbours(config.interface)])


def _tell(before: Record, record: Record, *, say: Say) -> None:
    """Say which machines became no nodes, and which alarms began and ended."""
    for evidence in record.machines:
        known = before.by_mac.get(evidence.mac)
        if evidence.status != NODE and (known is None or known.status != evidence.status):
            say(f"{evidence.mac} with {evidence.address} is {evidence.status}")
    told = {(alarm.kind, alarm.message) for alarm in before.alarms}
    for alarm in record.alarms:
        if (alarm.kind, alarm.message) not in told:
            say(f"alarm {alarm.kind}: {alarm}")
    for kind, message in sorted(told - {(alarm.kind, alarm.message) for alarm in record.alarms}):
        say(f"alarm {kind} is over: {message}")
