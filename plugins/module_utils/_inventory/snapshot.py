# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the inventory shows, at one moment: as a value, and as the document in which it travels.

The document is JSON with one machine a line; see docs/architecture.md. What it says is checked when it is read: it may
come from another machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from .._config import load_config
from .._errors import PerceusError
from .._names import is_node_name, parse_host_name, parse_variables, parse_vnfs_name
from .._nodes.machines import Machine, load_machines
from .._vnfs.hosts import VnfsHost, load_hosts

FORMAT = "perceus-inventory"
VERSION = 1
FEW = 10  # nodes; finding so many takes less than reading 100,000

VNFS_GROUP = "vnfs_capsules"

_GROUP = re.compile(r"[a-z][a-z0-9_.-]{0,127}", re.ASCII)
_FACT = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_GENERATION = re.compile(r"[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """Machines, nodes first, and VNFSs that are hosts; ``warnings`` say what was wrong with the sources.

    One that ``is_recalled`` is what was read some time ago, because nothing could be read now.
    """

    machines: tuple[Machine, ...]
    vnfs: tuple[VnfsHost, ...] = ()
    warnings: tuple[str, ...] = ()
    is_recalled: bool = False


def load_snapshot(
    config_file: Path,
    *,
    leases: Path | None = None,
    registry: Path | None = None,
    reports: Path | None = None,
    store: Path | None = None,
    nodes: Sequence[str] = (),
) -> Snapshot:
    """Read all that is on this machine, by default the files that the configuration names.

    If ``nodes``, node sets, are few plain names, the rest may be left out, as it will be by :func:`limit_snapshot`.

    Raises :class:`PerceusError` when any of them cannot be read, but for the VNFS store: not everyone may enter it.
    """
    only = nodes if 0 < len(nodes) <= FEW and all(map(is_node_name, nodes)) else None
    found = load_machines(config_file, only, leases=leases, registry=registry, reports=reports)
    hosts, warnings = load_hosts(store or load_config(config_file).store)
    return Snapshot((*found.nodes, *found.unknown), hosts, (*found.warnings, *warnings))


def render_snapshot(snapshot: Snapshot) -> str:
    """Return the document."""
    vnfs = {host.vnfs: host.generation for host in snapshot.vnfs}
    machines = ",\n".join(json.dumps(_machine_as_dict(machine)) for machine in snapshot.machines)
    return (
        f'{{"format": "{FORMAT}", "version": {VERSION},\n"warnings": {json.dumps(snapshot.warnings)},\n'
        f'"vnfs": {json.dumps(vnfs)},\n"machines": [\n{machines}\n]}}\n'
    )


def _machine_as_dict(machine: Machine) -> dict[str, Any]:
    facts = {fact: value for fact, value in machine.facts.items() if value is not None}
    own = {"variables": machine.variables} if machine.variables else {}
    return {"name": machine.name, "groups": machine.groups, "facts": facts, **own}


def parse_snapshot(text: str | bytes, *, source: str) -> Snapshot:
    """Turn the document into a snapshot; raises :class:`PerceusError`, which names ``source``."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unusable(source, "it is no JSON") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _unusable(source, f"it is not of format {FORMAT!r}")
    if document.get("version") != VERSION:
        raise PerceusError(
            f"Cannot use the inventory of {source}: it is of version {document.get('version')!r}, not {VERSION}",
            hint="Use the same version of perceus.cluster here and on the master",
        )
    try:
        return Snapshot(
            tuple(map(_parse_machine, document["machines"])),
            tuple(
                VnfsHost(parse_vnfs_name(name), _parse_generation(value)) for name, value in document["vnfs"].items()
            ),
            tuple(map(str, document["warnings"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unusable(source, f"it is not what it should be ({error!r})") from error
    except PerceusError as error:
        raise _unusable(source, error.msg) from error


def _parse_machine(entry: Mapping[str, Any]) -> Machine:
    name, groups, facts = parse_host_name(entry["name"]), entry["groups"], entry["facts"]
    for group in groups:
        if not _GROUP.fullmatch(group):
            raise ValueError(group)
    for fact in facts:
        if not _FACT.fullmatch(fact):
            raise ValueError(fact)
    if "address" in facts:
        IPv4Address(facts["address"])
    return Machine(name, tuple(groups), facts, parse_variables(entry.get("variables", {})))


def _parse_generation(value: Any) -> str | None:
    if value is not None and not _GENERATION.fullmatch(value):
        raise ValueError(value)
    return None if value is None else str(value)


def _unusable(source: str, why: str) -> PerceusError:
    return PerceusError(f"Cannot use the inventory of {source}: {why}", hint="Is it a perceus.cluster master's?")
