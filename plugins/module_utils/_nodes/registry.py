# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: which node is what. One text file, one node a line, sorted; see docs/architecture.md for its format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

from .._errors import PerceusError
from .._files import write_atomically
from .._names import parse_group_name, parse_kernel_args, parse_mac, parse_node_name, parse_vnfs_name

FORMAT = "perceus-nodes"
VERSION = 1

_MACHINE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_NODE_KEYS = frozenset({"name", "macs", "address", "group", "enabled", "machine_id", "adopted", "vnfs", "kernel_args"})


@dataclass(frozen=True)
class Node:
    """One machine. ``vnfs`` is None when its group decides; ``adopted`` is UTC, ``2030-01-01T00:00:00Z``."""

    name: str
    macs: tuple[str, ...]
    address: IPv4Address
    group: str
    enabled: bool
    machine_id: str
    adopted: str
    vnfs: str | None = None
    kernel_args: str = ""


@dataclass(frozen=True)
class Group:
    """A group's policy. ``vnfs`` is None when the cluster's default decides."""

    name: str
    vnfs: str | None = None


@dataclass(frozen=True)
class Effective:
    """A value that follows from node, group and cluster; ``origin`` is ``node``, ``group`` or ``default``."""

    value: str
    origin: str


@dataclass(frozen=True)
class Registry:
    """All groups and nodes, the nodes in natural order of their names; no name, MAC or address twice."""

    groups: Mapping[str, Group]
    nodes: tuple[Node, ...]

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def by_mac(self) -> dict[str, Node]:
        return {mac: node for node in self.nodes for mac in node.macs}

    @property
    def addresses(self) -> dict[str, IPv4Address]:
        """The node's address for each of its MACs."""
        return {mac: node.address for mac, node in self.by_mac.items()}

    def effective_vnfs(self, node: Node, *, default: str) -> Effective:
        """Return the VNFS that ``node`` boots: its own, else its group's, else the cluster's ``default``."""
        if node.vnfs is not None:
            return Effective(node.vnfs, "node")
        group = self.groups.get(node.group)
        if group is not None and group.vnfs is not None:
            return Effective(group.vnfs, "group")
        return Effective(default, "default")

    def vnfs_in_use(self, *, default: str) -> list[str]:
        """Return the names of the VNFSs that nodes boot, sorted."""
        return sorted({self.effective_vnfs(node, default=default).value for node in self.nodes})

    def with_nodes(self, added: Iterable[Node]) -> Registry:
        """Return a registry that also holds ``added``. Raises :class:`PerceusError` on a name, MAC or address twice."""
        nodes = sorted([*self.nodes, *added], key=_natural_order)
        for index, twice in _duplicates(nodes):
            raise PerceusError(f"Cannot register node {nodes[index].name!r}: {twice}", hint="Remove one of the two")
        return Registry(self.groups, tuple(nodes))


EMPTY = Registry({}, ())


def load_registry(source: Path) -> Registry:
    """Read the registry; a file that does not exist is an empty one.

    Raises :class:`PerceusError`, which names file and line, when it is corrupt or written by a newer version.
    """
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError:
        return EMPTY
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise PerceusError(f"Cannot read registry {str(source)!r}: {reason}") from error
    return parse_registry(text, source=str(source))


def save_registry(target: Path, registry: Registry) -> bool:
    """Write the registry and return whether its bytes changed. The caller holds the cluster's lock since it read it."""
    return write_atomically(target, render_registry(registry))


def render_registry(registry: Registry) -> str:
    """Return the text of ``nodes.json``."""
    groups = {
        name: {} if group.vnfs is None else {"vnfs": group.vnfs} for name, group in sorted(registry.groups.items())
    }
    lines = ",\n".join(json.dumps(_to_json(node)) for node in registry.nodes)
    return (
        f'{{"format": "{FORMAT}", "version": {VERSION},\n"groups": {json.dumps(groups)},\n'
        f'"nodes": [\n{lines}{chr(10) if lines else ""}]}}\n'
    )


def parse_registry(text: str, *, source: str = "nodes.json") -> Registry:
    """Turn the text of ``nodes.json`` into a registry. Raises :class:`PerceusError` naming ``source`` and line."""
    try:
        document = json.loads(text)
    except ValueError as error:
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
    groups, entries = document.get("groups"), document.get("nodes")
    if not isinstance(groups, dict) or not isinstance(entries, list):
        raise _corrupt(source, ": 'groups' must be an object and 'nodes' a list")
    try:
        parsed_groups = {name: _parse_group(name, value) for name, value in groups.items()}
    except PerceusError as error:
        raise _corrupt(source, f": {error.msg}") from error
    nodes = []
    for entry in entries:
        try:
            nodes.append(_parse_node(entry))
        except PerceusError as error:
            raise _corrupt(source, f"{_line_of(entry, text)}: {error.msg}") from error
    for index, twice in _duplicates(nodes):
        raise _corrupt(source, f"{_line_of(entries[index], text)}: {twice}")
    return Registry(parsed_groups, tuple(sorted(nodes, key=_natural_order)))


def _corrupt(source: str, what: str) -> PerceusError:
    return PerceusError(f"Cannot read registry {source!r}{what}", hint="Mend it, or restore it from a backup")


def _line_of(entry: object, text: str) -> str:
    """Return where ``entry`` last stands, as part of an error message, if it has a line of its own."""
    found = ""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            if json.loads(line.rstrip().rstrip(",")) == entry:
                found = f" line {number}"
        except ValueError:
            continue
    return found


def _parse_group(name: str, value: Any) -> Group:
    parse_group_name(name)
    if not isinstance(value, dict) or not set(value) <= {"vnfs"} or not isinstance(value.get("vnfs", ""), str):
        raise PerceusError(f"group {name!r} is not an object with at most a 'vnfs'")
    return Group(name, parse_vnfs_name(value["vnfs"]) if "vnfs" in value else None)


def _parse_node(entry: Any) -> Node:
    if not isinstance(entry, dict):
        raise PerceusError(f"a node is an object, not {entry!r}")
    unknown = sorted(set(entry) - _NODE_KEYS)
    if unknown:
        raise PerceusError(f"a node has no {unknown[0]!r}")

    def value(key: str, kind: type, default: Any = None) -> Any:
        found = entry.get(key, default)
        if not isinstance(found, kind):
            raise PerceusError(f"{key!r} of a node cannot be {found!r}")
        return found

    def matching(key: str, pattern: re.Pattern[str]) -> str:
        found: str = value(key, str)
        if not pattern.fullmatch(found):
            raise PerceusError(f"{key!r} of a node cannot be {found!r}")
        return found

    macs = tuple(parse_mac(str(mac)) for mac in value("macs", list))
    if not macs:
        raise PerceusError("a node needs at least one MAC address")
    try:
        address = IPv4Address(value("address", str))
    except AddressValueError as error:
        raise PerceusError(f"'address' of a node cannot be {entry['address']!r}") from error
    return Node(
        name=parse_node_name(value("name", str)),
        macs=macs,
        address=address,
        group=parse_group_name(value("group", str)),
        enabled=value("enabled", bool),
        machine_id=matching("machine_id", _MACHINE_ID),
        adopted=matching("adopted", _TIME),
        vnfs=parse_vnfs_name(value("vnfs", str)) if "vnfs" in entry else None,
        kernel_args=parse_kernel_args(value("kernel_args", str, "")),
    )


def _to_json(node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": node.name,
        "macs": list(node.macs),
        "address": str(node.address),
        "group": node.group,
        "enabled": node.enabled,
        "machine_id": node.machine_id,
        "adopted": node.adopted,
    }
    if node.vnfs is not None:
        entry["vnfs"] = node.vnfs
    if node.kernel_args:
        entry["kernel_args"] = node.kernel_args
    return entry


def _natural_order(node: Node) -> list[tuple[int, str]]:
    """Sort n9 before n10: runs of digits compare as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", node.name)]


def _duplicates(nodes: Sequence[Node]) -> Iterator[tuple[int, str]]:
    """Yield index and reason for each name, MAC and address that stands there before."""
    owners: dict[str, str] = {}
    for index, node in enumerate(nodes):
        for key in (f"name {node.name}", f"address {node.address}", *(f"MAC {mac}" for mac in node.macs)):
            if key in owners:
                yield index, f"{key} belongs to node {owners[key]!r} already"
            owners[key] = node.name
