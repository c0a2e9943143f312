# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's machines as an operator sees them: registry, leases and reports put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .._boot.images import Image, load_current_image
from .._config import ClusterConfig, load_config
from .._errors import PerceusError
from .._heartbeats import load_words
from .._leases.lease import Lease
from .._leases.reader import load_leases
from .._names import unknown_machine_name
from .._reports import TAIL, LastWord, latest_word
from .record import QUARANTINE, Alarm, Evidence, Record, load_record
from .registry import Node, Registry
from .registry_file import load_registry

TIMED_OUT = "timed_out"  # the state, and the group, of a node that fell silent
REPORTS_PER_NODE = 3  # on average; a report is about as long as a node's line in the registry


@dataclass(frozen=True)
class Machine:
    """One machine: the inventory's name for it, the groups that it is in, and facts, of which those not known are None.

    ``lease_expiry`` is seconds since 1970, 0 for ever. ``lease_name`` is the client's own word. ``variables`` are those
    that the registry has for a node.
    """

    name: str
    groups: tuple[str, ...]
    facts: Mapping[str, Any]
    variables: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the machine as a module's result shows it."""
        return {"name": self.name, "live": "live" in self.groups, **self.facts}


@dataclass(frozen=True)
class Machines:
    """Nodes in the order of the ``registry``, machines that are none in order of MAC, and what was wrong with the
    sources.
    """

    nodes: tuple[Machine, ...]
    unknown: tuple[Machine, ...]
    warnings: tuple[str, ...]
    registry: Registry


def load_machines(
    config_file: Path,
    only: Collection[str] | None = None,
    /,
    *,
    leases: Path | None = None,
    registry: Path | None = None,
    reports: Path | None = None,
) -> Machines:
    """Read all sources, by default those that the configuration names, and return the machines.

    ``only`` are names of nodes: other machines may be left out, which is quick if these are few. Raises
    :class:`PerceusError` when any source cannot be read: no machine is left out because of that.
    """
    config = load_config(config_file)
    registry = registry or config.registry
    known = load_registry(registry, only=only)
    macs = None if only is None else known.by_mac.keys()
    wire = load_leases(leases or config.leases, only=macs, missing_ok=config.dhcp_mode == "proxy")
    words = load_words(reports or config.reports, addresses=known.addresses, tail=tail_for(registry), only=macs)
    images = {name: _find_image(config, name) for name in known.vnfs_in_use(default=config.default_vnfs)}
    record = load_record(config.machines)
    nodes, unknown = view_machines(
        known, wire.by_mac, words, config, now=datetime.now(timezone.utc), images=images, record=record
    )
    return Machines(nodes, unknown if only is None else (), wire.warnings, known)


def tail_for(registry: Path) -> int:
    """Return how much of the report log, in bytes, has some reports of each node of ``registry``."""
    return max(TAIL, REPORTS_PER_NODE * registry.stat().st_size) if registry.exists() else TAIL


def _find_image(config: ClusterConfig, vnfs: str) -> Image | None:
    """What is wrong with an image is the reconciler's to say; not everyone may enter the store."""
    try:
        return load_current_image(config.store, vnfs)
    except PerceusError:
        return None


def view_machines(
    registry: Registry,
    leases: Mapping[str, Lease],
    words: Mapping[str, LastWord],
    config: ClusterConfig,
    *,
    now: datetime,
    images: Mapping[str, Image | None] | None = None,
    record: Record | None = None,
) -> tuple[tuple[Machine, ...], tuple[Machine, ...]]:
    """Return nodes and unknown machines, with what each source knows of them.

    ``leases`` and ``words`` are by MAC, ``images`` by VNFS, ``now`` is aware.
    """
    record = record or Record()
    nodes = tuple(_view_node(node, registry, leases, words, config, images or {}, now=now) for node in registry.nodes)
    masked = registry.masked_macs(config)
    macs = sorted((leases.keys() | record.by_mac.keys()) - registry.by_mac.keys() - masked)
    unknown = tuple(_view_unknown(mac, leases.get(mac), record.by_mac.get(mac), now=now) for mac in macs)
    return _with_alarms(nodes, record.alarms), _with_alarms(unknown, record.alarms)


def _with_alarms(machines: tuple[Machine, ...], alarms: Iterable[Alarm]) -> tuple[Machine, ...]:
    """Put the machines that alarms are about into the alarms' groups."""
    about: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        for name in (*alarm.nodes, *map(unknown_machine_name, alarm.macs)):
            about[name].append(alarm)
    return tuple(
        replace(
            machine,
            groups=(*machine.groups, *dict.fromkeys(f"alarm_{alarm.kind}" for alarm in about[machine.name])),
            facts={**machine.facts, "alarms": [str(alarm) for alarm in about[machine.name]]},
        )
        if machine.name in about
        else machine
        for machine in machines
    )


def _view_node(
    node: Node,
    registry: Registry,
    leases: Mapping[str, Lease],
    words: Mapping[str, LastWord],
    config: ClusterConfig,
    images: Mapping[str, Image | None],
    *,
    now: datetime,
) -> Machine:
    vnfs = registry.effective_vnfs(node, default=config.default_vnfs)
    image = images.get(vnfs.value)
    kernel_args, origin = image.kernel_args_for(group=node.group, node=node.name) if image else (None, None)
    lease = max((leases[mac] for mac in node.macs if mac in leases), key=Lease.end, default=None)
    word = latest_word(words, node.macs)
    groups = ["nodes", f"group_{node.group}", f"vnfs_{vnfs.value}"]
    if not node.enabled:
        groups.append("disabled")
    if lease is not None:
        groups.append(_liveness(lease, now))
    state = state_of(word, config, now=now) if word else None
    if word is not None:
        groups.extend((TIMED_OUT if state == TIMED_OUT else f"state_{state}", *word.conditions))
    facts = {
        "mac": node.macs[0],
        "address": str(node.address),
        "group": node.group,
        "vnfs": vnfs.value,
        "vnfs_origin": vnfs.origin,
        "vnfs_kernel_args": kernel_args,
        "vnfs_kernel_args_origin": origin,
        "enabled": node.enabled,
        **_lease_facts(lease),
        "state": state,
        "generation": word.generation or None if word else None,
        "reported": word.report.time if word else None,
        "heard": word.heard if word else None,
        **(word.conditions if word else {}),
    }
    return Machine(node.name, tuple(groups), facts, node.variables)


def state_of(word: LastWord, config: ClusterConfig, *, now: datetime) -> str:
    """Return the stage that a node last reported, unless it fell silent since. ``now`` is aware."""
    try:
        silent = datetime.fromisoformat(word.heard) < now - timedelta(seconds=config.node_timeout)
    except (ValueError, TypeError):  # not nginx's word
        silent = True
    return TIMED_OUT if silent else word.report.stage


def _view_unknown(mac: str, lease: Lease | None, evidence: Evidence | None, *, now: datetime) -> Machine:
    groups = ["unknown"]
    if lease is not None:
        groups.append(_liveness(lease, now))
    if evidence is not None and evidence.status == QUARANTINE:
        groups.append(QUARANTINE)
    address = str(lease.address) if lease else evidence.address if evidence else None
    facts = {
        "mac": mac,
        "address": address or None,
        **_lease_facts(lease),
        "first_seen": evidence.first_seen if evidence else None,
        **({key: text or None for key, text in asdict(evidence.hardware).items()} if evidence else {}),
    }
    return Machine(unknown_machine_name(mac), tuple(groups), facts)


def _liveness(lease: Lease, now: datetime) -> str:
    return "live" if lease.is_live(now) else "expired"


def _lease_facts(lease: Lease | None) -> dict[str, Any]:
    return {
        "lease_address": str(lease.address) if lease else None,
        "lease_expiry": lease.expiry or 0 if lease else None,
        "lease_name": lease.client_name or None if lease else None,
    }
