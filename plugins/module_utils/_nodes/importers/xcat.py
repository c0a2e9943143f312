# SPDX-License-Identifier: GPL-3.0-or-later
"""A stanza file, as ``lsdef -z`` of xCAT prints it and ``mkdef -z`` reads it: ``NAME:`` and then lines ``KEY=VALUE``.

Attributes are those of xcatdb(5), ``xCAT/Schema.pm`` of xcat2/xcat-core. A node has what itself says, else what the
first of its groups says that says anything; a value may be a rule, ``|REGEX|REPLACEMENT|``, which is not applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .draft import Draft, Imported
from .lines import numbered

_HEAD = re.compile(r"(\S+?):")
_ATTRIBUTE = re.compile(r"([\w.-]+)\s*=\s*(.*)", re.ASCII)
_EVERYBODY = "all"  # every node is in this group
_CARRIED = {"provmethod": "vnfs", "addkcmdline": "kernel_args", "usercomment": "description", "ip": "address"}
_TAKEN_OTHERWISE = frozenset({"objtype", "mac", "groups", "members", "serialport", "serialspeed", "bmc"})
_METHODS = frozenset({"install", "netboot", "statelite", "boot", "nodeset"})
_INHERITED = ("vnfs", "kernel_args", "console")


@dataclass
class _Stanza:
    """An object; ``said`` has value and line of each attribute."""

    name: str
    line: int
    said: dict[str, tuple[str, int]] = field(default_factory=dict)

    def get(self, key: str) -> str:
        return self.said.get(key, ("", 0))[0]

    def names(self, key: str) -> list[str]:
        return [name for name in re.split(r"[\s,]+", self.get(key)) if name]


def parse(text: str) -> Imported:
    """Return the nodes, and the groups that have attributes."""
    draft = Draft()
    stanzas = list(_stanzas(draft, text))
    policies = {}
    for stanza in stanzas:
        if stanza.get("objtype") == "group":
            policies[stanza.name] = _values(draft, stanza)
    for name, values in policies.items():
        kept = {key: said for key, said in values.items() if key in (*_INHERITED, "description")}
        for key, said in kept.items():
            draft.group(name, said[1]).set(key, *said)
    for stanza in stanzas:
        kind = stanza.get("objtype")
        if kind == "node":
            _take_node(draft, stanza, policies)
        elif kind != "group":
            draft.leave_out(f"an object of type {kind!r}", stanza.line, "it is neither a node nor a group")
    return draft.result()


def _stanzas(draft: Draft, text: str) -> Iterator[_Stanza]:
    stanza = None
    for number, line in numbered(text):
        head, attribute = _HEAD.fullmatch(line), _ATTRIBUTE.fullmatch(line)
        if head:
            if stanza is not None:
                yield stanza
            stanza = _Stanza(head[1], number)
        elif attribute and stanza is not None:
            stanza.said[attribute[1]] = (attribute[2].strip("\"'"), number)
        else:
            draft.leave_out("a line", number, "it reads neither NAME: nor KEY=VALUE")
    if stanza is not None:
        yield stanza


def _values(draft: Draft, stanza: _Stanza) -> dict[str, tuple[str, int]]:
    """Return what is carried of a stanza, as fields of a node, and leave out the rest."""
    values = {}
    for key, (value, line) in stanza.said.items():
        if value.startswith("|"):
            draft.leave_out(f"{key} of {stanza.name!r}", line, "it is a rule")
        elif key == "provmethod" and value in _METHODS:
            draft.leave_out(key, line, "it names no image")
        elif key in _CARRIED:
            values[_CARRIED[key]] = (value, line)
        elif key not in _TAKEN_OTHERWISE:
            draft.skip(key, line)
    port, line = stanza.said.get("serialport", ("", 0))
    if port:
        speed = stanza.get("serialspeed")
        values["console"] = (f"ttyS{port},{speed}" if speed else f"ttyS{port}", line)
    return values


def _take_node(draft: Draft, stanza: _Stanza, policies: dict[str, dict[str, tuple[str, int]]]) -> None:
    node = draft.begin(stanza.name, stanza.line)
    for mac in stanza.get("mac").split("|"):
        if mac:
            node.macs.append((mac.partition("!")[0], stanza.said["mac"][1]))
    for key, said in _values(draft, stanza).items():
        node.set(key, *said)
    names = stanza.names("groups")
    groups = [name for name in names if name != _EVERYBODY]
    node.set_groups(groups, stanza.said.get("groups", ("", stanza.line))[1])
    for key in _INHERITED:
        giver = next((name for name in names if key in policies.get(name, {})), None)
        if giver is not None and [giver] != groups[:1] and key not in node.values:
            node.set(key, *policies[giver][key])
    if stanza.get("bmc"):
        node.variables["bmc_address"] = stanza.get("bmc")
