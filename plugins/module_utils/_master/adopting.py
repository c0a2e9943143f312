# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconciler's first half: machines on the wire become nodes, or wait; what was seen of them is kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from datetime import datetime, timezone

from .._config import ClusterConfig
from .._errors import PerceusError
from .._heartbeats import load_words
from .._nodes.adoption import apply_adoption, plan_adoption
from .._nodes.alarms import find_alarms, find_left_over, held_back, since
from .._nodes.discoveries import Discovery, believe_nodes
from .._nodes.evidence import gather_evidence, settle
from .._nodes.machines import state_of
from .._nodes.record import NODE, Record, load_all
from .._nodes.registry import Node, Registry
from .._nodes.registry_file import save_registry
from .._nodes.wire import load_wire
from .._reports import UP, LastWord, latest_word

Say = Callable[[str], None]


def adopt(config: ClusterConfig, registry: Registry, *, say: Say) -> tuple[Registry, list[PerceusError]]:
    """Return the registry with the machines that became nodes, which is on disk then, and what kept others out.

    The caller holds the cluster's lock since it read the registry.
    """
    now = datetime.now(timezone.utc)
    before, problems = _load_record(config)
    leases, discoveries = load_wire(config)
    discoveries = _believe_nodes(discoveries, before, registry, config)
    masked = registry.masked_macs(config)
    seen = gather_evidence(before.by_mac, leases, discoveries, registry, masked, now=now)

    def is_running(node: Node) -> bool:
        word = _last_words([node], registry, config)[node]
        return word is not None and state_of(word, config, now=now) in UP

    alarms = find_alarms(seen, leases, discoveries, registry, masked, is_running=is_running, now=now)
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


def _believe_nodes(
    discoveries: list[Discovery], before: Record, registry: Registry, config: ClusterConfig
) -> list[Discovery]:
    """Return the discoveries that count; the report log is read only if one says of a node what is new."""
    known = {mac: evidence.hardware for mac, evidence in before.by_mac.items()}
    new = {found.mac for found in discoveries if known.get(found.mac) != found.hardware}
    words = _last_words({registry.by_mac[mac] for mac in new if mac in registry.by_mac}, registry, config)
    stages = {mac: word.report.stage if word else None for node, word in words.items() for mac in node.macs}
    return believe_nodes(discoveries, known, stages)


def _last_words(nodes: Collection[Node], registry: Registry, config: ClusterConfig) -> dict[Node, LastWord | None]:
    """Return the last word of each of these nodes."""
    only = {mac for node in nodes for mac in node.macs}
    words = load_words(config.reports, addresses=registry.addresses, only=only) if only else {}
    return {node: latest_word(words, node.macs) for node in nodes}


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
