# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of ``rocks list host`` and ``rocks list host interface``, one after the other in one file.

Columns are as wide as their widest value, dashes are no value, and a host's name ends with a colon: rocksclusters/base
``src/command/commands/list/host``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..._errors import PerceusError
from .draft import Draft, Imported
from .rocks import Interfaces, take_host

_COLUMN = re.compile(r"[A-Z]+ *")


def parse(text: str) -> Imported:
    """Return the hosts of both tables. Raises :class:`PerceusError` when a table does not say which host it is of."""
    draft = Draft()
    interfaces = Interfaces()
    columns: dict[str, slice] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip().expandtabs()
        header = line.strip()
        if header.startswith("HOST "):
            columns = _columns(line)
        elif header.startswith(("SUBNET ", "MEMBERSHIP ")):
            raise PerceusError(
                f"Cannot read the table in line {number}: it has no column HOST",
                hint="List all hosts at once, without naming one",
            )
        elif header and columns:
            _take_row(draft, interfaces, {name: _value(line[cut]) for name, cut in columns.items()}, number)
    interfaces.apply(draft)
    return draft.result()


def _columns(header: str) -> dict[str, slice]:
    found = list(_COLUMN.finditer(header))
    ends = [column.end() for column in found[:-1]] + [None]
    return {column[0].strip().lower(): slice(column.start(), end) for column, end in zip(found, ends)}


def _value(cell: str) -> str:
    return re.sub("^-+$", "", cell.strip())


def _take_row(draft: Draft, interfaces: Interfaces, row: Mapping[str, str], line: int) -> None:
    host = row["host"].rstrip(":")
    if "membership" in row:
        take_host(draft, host, row, line)
        return
    device = row.get("iface") or row.get("mac", "")
    for key, value in row.items():
        if key != "host" and value:
            interfaces.set(host, device, key, value, line)
