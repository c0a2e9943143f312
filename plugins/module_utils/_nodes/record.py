# SPDX-License-Identifier: GPL-3.0-or-later
"""What the master has seen of machines: evidence of each, and what is wrong with some.

``machines.json`` has those that are no nodes and all alarms, ``evidence.json`` the machines of nodes. One machine or
alarm a line, sorted; see docs/architecture.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .._files import write_atomically
from .discoveries import Hardware

FORMAT = "perceus-machines"
VERSION = 1

NODE, QUARANTINE, LEFT_OVER, UNKNOWN = "node", "quarantine", "left_over", "unknown"


@dataclass(frozen=True)
class Evidence:
    """What was seen of the machine with one interface.

    ``status`` is what became of it: ``node``, ``quarantine`` when it waits for an operator, ``left_over`` when there is
    no free number, ``unknown`` when nothing is adopted.

    ``why`` is ``adopt`` for a node that the master adopted, ``operator`` for one that somebody registered. ``address``,
    ``expiry`` (seconds since 1970, None for ever) and ``client_name`` are those of its last lease, if it had one: of a
    node, the one that it had when it became one. ``first_seen`` is UTC, ``2030-01-01T00:00:00Z``.
    """

    mac: str
    status: str
    first_seen: str
    address: str = ""
    expiry: int | None = None
    client_name: str = ""
    why: str = ""
    hardware: Hardware = field(default_factory=Hardware)


@dataclass(frozen=True)
class Alarm:
    """Something that an operator should look at: ``kind`` never changes its meaning, ``hint`` says what to do.

    ``nodes`` are the names of nodes that it is about. ``first_seen`` is UTC; the alarm is gone when its cause is.
    """

    kind: str
    macs: tuple[str, ...]
    nodes: tuple[str, ...]
    first_seen: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}"


@dataclass(frozen=True)
class Record:
    """Evidence in order of MAC, and alarms."""

    machines: tuple[Evidence, ...] = ()
    alarms: tuple[Alarm, ...] = ()

    def save(self, config: ClusterConfig) -> None:
        """Write both files, where their bytes change."""
        nodes = tuple(evidence for evidence in self.machines if evidence.status == NODE)
        others = tuple(evidence for evidence in self.machines if evidence.status != NODE)
        write_atomically(config.evidence, render_record(Record(nodes)))
        write_atomically(config.machines, render_record(Record(others, self.alarms)))

    @cached_property
    def by_mac(self) -> Mapping[str, Evidence]:
        return {evidence.mac: evidence for evidence in self.machines}


def load_all(config: ClusterConfig) -> Record:
    """Read both files. Raises :class:`PerceusError`."""
    others, nodes = load_record(config.machines), load_record(config.evidence)
    machines = sorted((*others.machines, *nodes.machines), key=lambda evidence: evidence.mac)
    return Record(tuple(machines), others.alarms)


def load_record(source: Path) -> Record:
    """Read one of the files; one that does not exist is empty. Raises :class:`PerceusError`."""
    try:
        return parse_record(source.read_text(encoding="utf-8"), source=str(source))
    except FileNotFoundError:
        return Record()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise PerceusError(f"Cannot read {str(source)!r}: {reason}") from error


def render_record(record: Record) -> str:
    """Return the text of one of the files."""
    return (
        f'{{"format": "{FORMAT}", "version": {VERSION},\n"alarms": [\n{_lines(record.alarms)}],\n'
        f'"machines": [\n{_lines(record.machines)}]}}\n'
    )


def parse_record(text: str, *, source: str = "machines.json") -> Record:
    """Turn the text of one of the files into a record. Raises :class:`PerceusError`."""
    try:
        document = json.loads(text)
        found = {key: document[key] for key in ("format", "version")}
        machines = [_parse_evidence(entry) for entry in document["machines"]]
        alarms = [_parse_alarm(entry) for entry in document["alarms"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PerceusError(
            f"Cannot read {source!r}: not what it should be ({error})", hint="Remove it: the reconciler writes it anew"
        ) from error
    if found != {"format": FORMAT, "version": VERSION}:
        raise PerceusError(
            f"Cannot read {source!r}: {found['format']!r} version {found['version']!r} is not {FORMAT!r} {VERSION}",
            hint="Use the perceus.cluster that wrote it",
        )
    return Record(tuple(machines), tuple(alarms))


def _lines(entries: Iterable[Evidence | Alarm]) -> str:
    lines = ",\n".join(json.dumps(_to_json(entry)) for entry in entries)
    return f"{lines}\n" if lines else ""


def _to_json(entry: Evidence | Alarm | Hardware) -> dict[str, Any]:
    """Leave out what is empty."""
    fields = {key: _to_json(value) if isinstance(value, Hardware) else value for key, value in vars(entry).items()}
    return {key: value for key, value in fields.items() if value}


def _parse_evidence(entry: Mapping[str, Any]) -> Evidence:
    return Evidence(**{**entry, "hardware": Hardware(**entry.get("hardware", {}))})


def _parse_alarm(entry: Mapping[str, Any]) -> Alarm:
    return Alarm(**{**entry, "macs": tuple(entry["macs"]), "nodes": tuple(entry.get("nodes", ()))})
