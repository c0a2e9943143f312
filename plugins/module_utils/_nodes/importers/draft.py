# SPDX-License-Identifier: GPL-3.0-or-later
"""What every importer makes: rows as the module ``node`` takes them, and a list of what no row could hold.

An importer says to a :class:`Draft` what it reads, as it stands there. Names and values are checked in one place, at
the end: what is hostile, wrong or there twice is left out and listed, and spoils nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from typing import Any, TypeVar

from ..._errors import PerceusError
from ..._names import (
    parse_boot,
    parse_console,
    parse_description,
    parse_foreign_variables,
    parse_group_name,
    parse_kernel_args,
    parse_mac,
    parse_node_name,
    parse_vnfs_name,
)
from .reasons import reason_for

T = TypeVar("T")
Row = dict[str, Any]

LONGEST = 200  # characters of a foreign text that are repeated


@dataclass(frozen=True)
class LeftOut:
    """Something that was not carried over: what, why, the ``line`` where it first stands if one says it, how often."""

    line: int | None
    what: str
    reason: str
    times: int = 1


@dataclass(frozen=True)
class Imported:
    """``nodes`` are rows of the module ``node``, ``groups`` of ``node_group``; ``masked`` are MACs that others own."""

    nodes: tuple[Row, ...]
    groups: tuple[Row, ...]
    masked: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


@dataclass
class Entry:
    """A node or group as a foreign file has it: unchecked values, each with the line where it stands."""

    name: str
    line: int
    macs: list[tuple[str, int]] = field(default_factory=list)
    values: dict[str, tuple[Any, int]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)

    def set(self, key: str, value: Any, line: int) -> None:
        self.values[key] = (value, line)

    def set_groups(self, names: list[str], line: int) -> None:
        """The first is the node's group; the others are kept as a variable, by which the inventory can group."""
        if names:
            self.set("group", names[0], line)
        if names[1:]:
            self.variables["other_groups"] = names[1:]


class Draft:
    """What an importer has read so far."""

    def __init__(self) -> None:
        self._nodes: list[Entry] = []
        self._by_name: dict[str, Entry] = {}
        self._groups: dict[str, Entry] = {}
        self._masks: list[tuple[str, int]] = []
        self._left_out: dict[tuple[str, str], list[int]] = {}

    def begin(self, name: str, line: int) -> Entry:
        """Return a new node; whether another has its name is found out at the end."""
        entry = Entry(name, line)
        self._nodes.append(entry)
        self._by_name.setdefault(name, entry)
        return entry

    def find(self, name: str) -> Entry | None:
        """Return the node of this name, if there is one."""
        return self._by_name.get(name)

    def node(self, name: str, line: int) -> Entry:
        """Return the node of this name, which begins here if it is new."""
        return self._by_name.get(name) or self.begin(name, line)

    def group(self, name: str, line: int) -> Entry:
        """Return the group of this name, which begins here if it is new."""
        return self._groups.setdefault(name, Entry(name, line))

    def mask(self, mac: str, line: int) -> None:
        """Say that another boot server owns this machine."""
        self._masks.append((mac, line))

    def leave_out(self, what: str, line: int, reason: str) -> None:
        self._left_out.setdefault((what[:LONGEST], reason[:LONGEST]), []).append(line)

    def skip(self, setting: str, line: int, *, of: str = "") -> None:
        """Leave out a setting that has no place here, whatever its value."""
        self.leave_out(f"{setting} of {of}" if of else setting, line, reason_for(setting))

    def result(self) -> Imported:
        """Check all that was read, and return it."""
        masked = tuple(dict.fromkeys(mac for mac, _line in self._macs(self._masks, "mask")))
        groups = tuple(self._group_rows())
        nodes = tuple(self._node_rows(frozenset(masked)))
        left_out = sorted((min(lines), *said, len(lines)) for said, lines in self._left_out.items())
        return Imported(nodes, groups, masked, tuple(LeftOut(*part) for part in left_out))

    def _node_rows(self, masked: frozenset[str]) -> Iterator[Row]:
        lines: dict[str, int] = {}
        owners: dict[str, str] = {}
        for entry in self._nodes:
            name = self._checked(self._node_name, entry.name, entry.line, "node")
            if name is None:
                continue
            what = f"node {name!r}"
            macs = list(self._own_macs(entry, what, owners))
            if name in lines:
                self.leave_out(what, entry.line, f"a node of this name stands in line {lines[name]} already")
            elif masked.intersection(macs):
                self.leave_out(what, entry.line, "another boot server owns it: it is masked")
            elif not macs:
                self.leave_out(what, entry.line, "it has no MAC address of its own")
            else:
                lines[name] = entry.line
                owners.update(dict.fromkeys(macs, name))
                yield {"name": name, "macs": macs, **self._values(entry, what), **self._variables(entry, what)}

    def _group_rows(self) -> Iterator[Row]:
        for entry in self._groups.values():
            name = self._checked(self._group_name, entry.name, entry.line, "group")
            if name is not None:
                yield {"name": name, **self._values(entry, f"group {name!r}")}

    def _own_macs(self, entry: Entry, what: str, owners: dict[str, str]) -> Iterator[str]:
        for mac, line in dict(self._macs(entry.macs, what)).items():
            if mac in owners:
                self.leave_out(f"MAC {mac} of {what}", line, f"it belongs to node {owners[mac]!r} already")
            else:
                yield mac

    def _macs(self, found: Iterable[tuple[str, int]], what: str) -> Iterator[tuple[str, int]]:
        for raw, line in found:
            mac = self._checked(_mac, raw, line, what)
            if mac is not None:
                yield mac, line

    def _values(self, entry: Entry, what: str) -> Row:
        parsers: dict[str, Callable[[Any], Any]] = {"group": self._group_name, **_PARSERS}
        checked = {key: self._checked(parsers[key], raw, line, what) for key, (raw, line) in entry.values.items()}
        return {key: value for key, value in checked.items() if value is not None}

    def _variables(self, entry: Entry, what: str) -> Row:
        variables: Row = {}
        for name, value in entry.variables.items():
            said = {re.sub("[ .-]", "_", name): value}
            variables.update(self._checked(parse_foreign_variables, said, entry.line, what) or {})
        return {"variables": variables} if variables else {}

    def _checked(self, parse: Callable[[Any], T], raw: Any, line: int, what: str) -> T | None:
        try:
            return parse(raw)
        except PerceusError as error:
            self.leave_out(what, line, error.msg)
            return None

    def _node_name(self, raw: str) -> str:
        """A host has one label here, in lower case: DNS knows no other, and the cluster's domain comes after it."""
        return parse_node_name(raw.partition(".")[0].lower())

    def _group_name(self, raw: str) -> str:
        """A group has the form of an Ansible group."""
        return parse_group_name(re.sub("[ .-]", "_", raw.lower()))


def _mac(raw: str) -> str:
    """Perceus may write the hardware type before a MAC, OSCAR leaves the colons out, others leading zeros."""
    octets = re.findall("..", raw) if re.fullmatch("[0-9A-Fa-f]{12}", raw) else raw.split(":")
    if len(octets) == 7 and octets[0] == "01":
        octets = octets[1:]
    return parse_mac(":".join(octet.zfill(2) for octet in octets) if len(octets) == 6 else raw)


def _address(raw: str) -> str:
    try:
        return str(IPv4Address(raw))
    except AddressValueError as error:
        raise PerceusError(f"Cannot use {raw!r}: not an IPv4 address") from error


def _kernel_args(raw: str) -> str | None:
    return parse_kernel_args(" ".join(raw.split())) or None


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "vnfs": lambda raw: parse_vnfs_name(raw.lower()),
    "enabled": bool,
    "kernel_args": _kernel_args,
    "boot": parse_boot,
    "console": parse_console,
    "description": parse_description,
    "address": _address,
}
