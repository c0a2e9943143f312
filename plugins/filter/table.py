# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table for people to read."""

from __future__ import annotations

DOCUMENTATION = """
name: table
short_description: Lay dictionaries out as the lines of a table
version_added: 0.1.0
description:
  - Makes a line of headings and one line for each dictionary, in columns as wide as their widest value.
  - Booleans are shown as C(yes) and C(no), null and what is missing as C(-), lists as their elements.
positional: columns, sizes
options:
  _input:
    description: The rows.
    type: list
    elements: dict
    required: true
  columns:
    description: The heading of each column, and the key of what stands in it; C(a.b) is the key C(b) of what C(a) has.
    type: dict
    required: true
  sizes:
    description: The keys of what is a number of bytes and shown in MiB.
    type: list
    elements: str
    default: []
"""

EXAMPLES = """
- name: Show the nodes
  ansible.builtin.debug:
    msg: "{{ cluster.nodes | perceus.cluster.table({'HostName': 'name', 'Enabled': 'enabled'}) }}"
"""

RETURN = """
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

MIB = 1024 * 1024  # bytes
WORDS = {True: "yes", False: "no", None: "-"}


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], sizes: Sequence[str] = ()) -> list[str]:
    """Return the lines of the table."""
    cells = [list(columns), *([_show(_find(row, key), key in sizes) for key in columns.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]


def _find(row: Any, key: str) -> Any:
    for part in key.split("."):
        row = row.get(part) if isinstance(row, Mapping) else None
    return row


def _show(value: Any, is_size: bool) -> str:
    if value is None or isinstance(value, bool):
        return WORDS[value]
    if isinstance(value, list):
        return ", ".join(map(str, value)) or WORDS[None]
    return f"{value / MIB:.1f} MiB" if is_size else str(value)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"table": table}
