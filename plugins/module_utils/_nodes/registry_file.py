# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry's file: one text, one node a line, sorted; see docs/architecture.md for its format.

Version 2 has what version 1 had and more, so that version 1 reads as it stands; what is written is version 2.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from socket import AF_INET, inet_pton
from typing import Any

from .._errors import PerceusError
from .._files import write_atomically
from .._lines import lines_with
from .._names import (
    parse_boot,
    parse_console,
    parse_description,
    parse_group_name,
    parse_kernel_args,
    parse_mac,
    parse_node_name,
    parse_overlay_name,
    parse_variables,
    parse_vnfs_name,
)
from .registry import ALL_VNFS, EMPTY, Group, Node, Registry, find_duplicates, in_natural_order

FORMAT = "perceus-nodes"
VERSION = 2

_MACHINE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_GENERATION = re.compile(r"[0-9a-f]{16}", re.ASCII)
_TOKEN = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)

Fields = Mapping[str, tuple[type, Callable[[Any], Any]]]


def load_registry(source: Path, *, only: Collection[str] | None = None) -> Registry:
    """Read the registry; a file that does not exist is an empty one.

    ``only`` are names of nodes: others may be left out, unread and unchecked, as that takes most of the time.

    Raises :class:`PerceusError`, which names file and line, when it is corrupt or written by a newer version.
    """
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError:
        return EMPTY
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise PerceusError(f"Cannot read registry {str(source)!r}: {reason}") from error
    picked = _pick_nodes(text, only) if only is not None else None
    if picked is not None:
        with contextlib.suppress(PerceusError):  # whatever it is, the whole text tells it with its line
            return parse_registry(picked, source=str(source))
    return parse_registry(text, source=str(source))


def _pick_nodes(text: str, names: Collection[str]) -> str | None:
    """Return the text less the nodes that are not called so, None if it is not as we write it."""
    head, start, nodes = text.partition('\n"nodes": [\n')
    lines = (line.rstrip(",") for line in lines_with((f'{{"name": "{name}"' for name in names), nodes))
    return f"{head}{start}{_lines(lines)}]}}" if start else None


def save_registry(target: Path, registry: Registry) -> bool:
    """Write the registry and return whether its bytes changed. The caller holds the cluster's lock since it read it."""
    return write_atomically(target, render_registry(registry))


def render_registry(registry: Registry) -> str:
    """Return the text of ``nodes.json``."""
    parts = {part: _lines(entries) for part, entries in render_entries(registry).items()}
    return (
        f'{{"format": "{FORMAT}", "version": {VERSION},\n"groups": {{{parts["groups"]}}},\n'
        f'"masked": {{{parts["masked"]}}},\n"dismissed": {{{parts["dismissed"]}}},\n'
        f'"overlays": {{{parts["overlays"]}}},\n"nodes": [{parts["nodes"]}]}}\n'
    )


def render_entries(registry: Registry) -> dict[str, list[str]]:
    """Return the lines of each part, without the commas between them."""
    return {
        "groups": [f"{_json(name)}: {_json(group_as_dict(group))}" for name, group in sorted(registry.groups.items())],
        "masked": [f"{_json(mac)}: {_json(why)}" for mac, why in sorted(registry.masked.items())],
        "dismissed": [f"{_json(mac)}: {end}" for mac, end in sorted(registry.dismissed.items())],
        "overlays": [f"{_json(vnfs)}: {_json(list(names))}" for vnfs, names in sorted(registry.overlays.items())],
        "nodes": [_json(node_as_dict(node)) for node in registry.nodes],
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(entries: Iterable[str]) -> str:
    joined = ",\n".join(entries)
    return f"\n{joined}\n" if joined else ""


def group_as_dict(group: Group) -> dict[str, Any]:
    """Return what the group decides, as the file has it."""
    return _without_defaults({**vars(group), "overlays": list(group.overlays)}, omitted=("name",))


def node_as_dict(node: Node) -> dict[str, Any]:
    """Return the node as the file has it."""
    return _without_defaults(
        {**vars(node), "macs": list(node.macs), "address": str(node.address), "overlays": list(node.overlays)}
    )


def _without_defaults(values: Mapping[str, Any], *, omitted: tuple[str, ...] = ()) -> dict[str, Any]:
    return {key: value for key, value in values.items() if (value or value is False) and key not in omitted}


def parse_registry(text: str, *, source: str = "nodes.json") -> Registry:
    """Turn the text of ``nodes.json`` into a registry. Raises :class:`PerceusError` naming ``source`` and line."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _corrupt(source, f"{line}: not JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _corrupt(source, f": not of format {FORMAT!r}")
    version = document.get("version")
    if not isinstance(version, int) or version < 1:
        raise _corrupt(source, f": no version {version!r} exists")
    if version > VERSION:
        raise PerceusError(
            f"Cannot read registry {source!r}: version {version} is newer than {VERSION}",
            hint="Use the perceus.cluster that wrote it, or a newer one",
        )
    tables = [document.get(key, {}) for key in ("groups", "masked", "dismissed", "overlays")]
    entries = document.get("nodes")
    if not all(isinstance(table, dict) for table in tables) or not isinstance(entries, list):
        raise _corrupt(source, ": 'groups', 'masked', 'dismissed' and 'overlays' must be objects and 'nodes' a list")
    groups, masked, dismissed, overlays = tables

    def parse(entry: Any, parse_entry: Callable[[Any], Any]) -> Any:
        try:
            return parse_entry(entry)
        except PerceusError as error:
            raise _corrupt(source, f"{_line_of(entry, text)}: {error.msg}") from error

    parsed_groups = [parse({name: policy}, _parse_group) for name, policy in groups.items()]
    parsed_masked = [parse({mac: why}, _parse_mask) for mac, why in masked.items()]
    parsed_dismissed = [parse({mac: end}, _parse_dismissal) for mac, end in dismissed.items()]
    parsed_overlays = [parse({vnfs: names}, _parse_vnfs_overlays) for vnfs, names in overlays.items()]
    nodes = [parse(entry, _parse_node) for entry in entries]
    registry = Registry(
        {group.name: group for group in parsed_groups},
        in_natural_order(nodes),
        dict(parsed_masked),
        dict(parsed_dismissed),
        dict(parsed_overlays),
    )
    for index, twice in find_duplicates(nodes, registry.masked):
        raise _corrupt(source, f"{_line_of(entries[index], text)}: {twice}")
    return registry


def _corrupt(source: str, what: str) -> PerceusError:
    return PerceusError(f"Cannot read registry {source!r}{what}", hint="Mend it, or restore it from a backup")


def _line_of(entry: object, text: str) -> str:
    """Return where ``entry`` last stands, as part of an error message, if it has a line of its own.

    A line of groups or masks is the inside of an object.
    """
    found = ""
    for number, line in enumerate(text.split("\n"), start=1):
        inside = line.rstrip().rstrip(",")
        for candidate in (inside, f"{{{inside}}}"):
            try:
                if json.loads(candidate) == entry:
                    found = f" line {number}"
            except ValueError:
                continue
    return found


def _parse_group(entry: dict[str, Any]) -> Group:
    [(name, policy)] = entry.items()
    parse_group_name(name)
    return Group(name=name, **parse_fields(policy, GROUP_FIELDS, what=f"group {name!r}"))


def _parse_mask(entry: dict[str, Any]) -> tuple[str, str]:
    [(mac, why)] = entry.items()
    if not isinstance(why, str):
        raise PerceusError(f"the reason for masking {mac!r} cannot be {why!r}")
    return parse_mac(mac), parse_description(why)


def _parse_dismissal(entry: dict[str, Any]) -> tuple[str, int]:
    [(mac, end)] = entry.items()
    if not isinstance(end, int):
        raise PerceusError(f"the end of the lease of {mac!r} cannot be {end!r}")
    return parse_mac(mac), end


def _parse_vnfs_overlays(entry: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    [(vnfs, names)] = entry.items()
    if not isinstance(names, list):
        raise PerceusError(f"the overlays of VNFS {vnfs!r} cannot be {names!r}")
    return vnfs if vnfs == ALL_VNFS else parse_vnfs_name(vnfs), _parse_overlays(names)


def _parse_node(entry: Any) -> Node:
    values = parse_fields(entry, NODE_FIELDS, what="a node")
    for key in _NEEDED:
        if key not in values:
            raise PerceusError(f"{key!r} of a node cannot be None")
    return Node(**values)


def parse_fields(entry: Any, fields: Fields, *, what: str) -> dict[str, Any]:
    """Check the values of ``entry`` one by one and return them parsed; raises :class:`PerceusError` for the first one
    that is wrong or is none of ``fields``.
    """
    if not isinstance(entry, dict):
        raise PerceusError(f"{what} is an object, not {entry!r}")
    values = {}
    for key, found in entry.items():
        if key not in fields:
            raise PerceusError(f"{what} has no {key!r}")
        kind, parse = fields[key]
        if not isinstance(found, kind):
            raise PerceusError(f"{key!r} of {what} cannot be {found!r}")
        values[key] = parse(found)
    return values


def parse_policy(said: Mapping[str, Any], fields: Fields, *, what: str) -> dict[str, Any]:
    """Return what an operator says of a node or group, parsed; an empty text leaves the value to who decides else.

    Raises :class:`PerceusError` as :func:`parse_fields` does.
    """
    left = {key: None for key in ("vnfs", "boot", "console") if said.get(key) == ""}
    return {**parse_fields({key: said[key] for key in said.keys() - left.keys()}, fields, what=what), **left}


def _parse_macs(values: list[Any]) -> tuple[str, ...]:
    if not values:
        raise PerceusError("a node needs at least one MAC address")
    return tuple(parse_mac(str(mac)) for mac in values)


def _parse_address(value: str) -> IPv4Address:
    try:
        return IPv4Address(inet_pton(AF_INET, value))
    except (OSError, ValueError) as error:
        raise PerceusError(f"'address' of a node cannot be {value!r}") from error


def _matching(key: str, pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not pattern.fullmatch(value):
            raise PerceusError(f"{key!r} of a node cannot be {value!r}")
        return value

    return parse


def _parse_overlays(values: list[Any]) -> tuple[str, ...]:
    return tuple(parse_overlay_name(str(name)) for name in values)


GROUP_FIELDS: Fields = {
    "vnfs": (str, parse_vnfs_name),
    "boot": (str, parse_boot),
    "console": (str, parse_console),
    "kernel_args": (str, parse_kernel_args),
    "description": (str, parse_description),
    "overlays": (list, _parse_overlays),
}
NODE_FIELDS: Fields = {
    "name": (str, parse_node_name),
    "macs": (list, _parse_macs),
    "address": (str, _parse_address),
    "group": (str, parse_group_name),
    "enabled": (bool, bool),
    "machine_id": (str, _matching("machine_id", _MACHINE_ID)),
    "adopted": (str, _matching("adopted", _TIME)),
    **GROUP_FIELDS,
    "variables": (dict, parse_variables),
    "installed": (str, _matching("installed", _GENERATION)),
    "reinstall": (str, _matching("reinstall", _TOKEN)),
}
_NEEDED = ("name", "macs", "address", "group", "enabled", "machine_id", "adopted")
