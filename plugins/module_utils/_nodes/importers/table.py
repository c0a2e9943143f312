# SPDX-License-Identifier: GPL-3.0-or-later
"""A table with one node a line, comma-separated (RFC 4180) or with semicolons or tabs between.

The first line names the columns, which are the fields of a node: ``name``, ``macs`` (or ``mac``; several with spaces
between), ``group``, ``vnfs``, ``enabled``, ``kernel_args``, ``boot``, ``console``, ``description``, ``address``. Any
other is a variable of that name.
"""

from __future__ import annotations

import csv
import re

from ..._errors import PerceusError
from .draft import Draft, Entry, Imported

_FIELDS = frozenset({"group", "vnfs", "kernel_args", "boot", "console", "description", "address"})
_SAME = {"mac": "macs", "hostname": "name", "ip": "address"}
_FALSE = frozenset({"no", "false", "0", "off"})


def parse(text: str) -> Imported:
    """Return the nodes. Raises :class:`PerceusError` when it is no table, or has no columns for name and MACs."""
    draft = Draft()
    header = text.lstrip("\ufeff").partition("\n")[0]
    reader = csv.reader(text.lstrip("\ufeff").splitlines(), delimiter=max(",;\t", key=header.count))
    try:
        columns = [_SAME.get(column, column) for column in map(_column, next(reader, []))]
        if not {"name", "macs"} <= set(columns):
            raise PerceusError(
                "Cannot read the table: its first line names no columns 'name' and 'macs'", hint="Give it a heading"
            )
        for cells in reader:
            row = dict(zip(columns, map(str.strip, cells)))
            if any(row.values()):
                _take(draft, row, reader.line_num)
    except csv.Error as error:
        raise PerceusError(f"Cannot read the table in line {reader.line_num}: {error}") from error
    return draft.result()


def _column(heading: str) -> str:
    return re.sub(r"[\s-]+", "_", heading.strip().lower())


def _take(draft: Draft, row: dict[str, str], line: int) -> None:
    node: Entry = draft.begin(row.pop("name"), line)
    node.macs.extend((mac, line) for mac in re.split(r"[\s,;|]+", row.pop("macs", "")) if mac)
    for column, value in row.items():
        if not value:
            continue
        if column == "enabled":
            node.set("enabled", value.lower() not in _FALSE, line)
        elif column in _FIELDS:
            node.set(column, value, line)
        else:
            node.variables[column] = value
