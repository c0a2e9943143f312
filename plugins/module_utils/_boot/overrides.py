# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VNFS has otherwise for a group or a node: ``overrides.json``, which stands beside ``vnfs.yml`` and follows it.

{"groups": {"gpu": {"kernel_args": "…", "livesync_skip": ["…"]}}, "nodes": {"n101": {"disk": {"disks": ["…"]}}}}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._errors import PerceusError
from .._names import parse_group_name, parse_kernel_args, parse_node_name
from .._vnfs.image.patterns import compile_patterns
from .disk import parse_disk

FILE = "overrides.json"

Table = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Overrides:
    """The options of each group and node that has other ones."""

    groups: Table = field(default_factory=dict)
    nodes: Table = field(default_factory=dict)

    def find(self, option: str, *, group: str | None, node: str | None) -> tuple[Any, str] | None:
        """Return the value for a node of a group, its own first, and its origin; None when neither has one."""
        for table, name, origin in ((self.nodes, node, "node"), (self.groups, group, "group")):
            if name is not None and option in table.get(name, {}):
                return table[name][option], origin
        return None


def parse_overrides(value: Any) -> Overrides:
    """Check ``groups`` and ``nodes`` of a mapping; raises :class:`PerceusError` for what is no option of theirs."""
    _require(value, {"groups", "nodes"}, "overrides")
    return Overrides(
        groups=_parse_table(value.get("groups"), parse_group_name),
        nodes=_parse_table(value.get("nodes"), parse_node_name),
    )


def _parse_table(table: Any, parse_name: Callable[[str], str]) -> Table:
    table = {} if table is None else table
    if not isinstance(table, Mapping):
        raise PerceusError(f"Cannot use {table!r} as overrides: not options by name")
    return {parse_name(str(name)): _parse_options(str(name), options) for name, options in table.items()}


def _parse_options(name: str, options: Any) -> Mapping[str, Any]:
    _require(options, {"disk", "kernel_args", "livesync_skip"}, f"overrides of {name!r}")
    if not isinstance(options.get("kernel_args", ""), str):
        raise PerceusError(f"Cannot use the overrides of {name!r}: its kernel_args are no text")
    skip = options.get("livesync_skip", [])
    if not isinstance(skip, (list, tuple)) or not all(isinstance(pattern, str) for pattern in skip):
        raise PerceusError(f"Cannot use the overrides of {name!r}: its livesync_skip is no list of patterns")
    if not isinstance(options.get("disk", {}), Mapping):
        raise PerceusError(f"Cannot use the overrides of {name!r}: its disk is no mapping")
    parse_disk(options.get("disk", {}))
    parse_kernel_args(options.get("kernel_args", ""))
    compile_patterns(skip)
    return dict(options)


def _require(value: Any, known: set[str], what: str) -> None:
    if not isinstance(value, Mapping):
        raise PerceusError(f"Cannot use {value!r} as {what}: not a mapping")
    for key in sorted(set(map(str, value)) - known):
        raise PerceusError(f"Cannot use {what}: {key!r} is no part of it", hint=f"Use {' and '.join(sorted(known))}")


def load_overrides(folder: Path) -> Overrides:
    """Return those of the VNFS in this folder; raises :class:`PerceusError` when they cannot be read."""
    try:
        return parse_overrides(json.loads((folder / FILE).read_bytes()))
    except FileNotFoundError:
        return Overrides()
    except (OSError, ValueError) as error:
        raise PerceusError(f"Cannot read {str(folder / FILE)!r}: {error}", hint="Configure the VNFS again") from error
