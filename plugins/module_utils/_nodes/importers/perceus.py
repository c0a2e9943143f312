# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``perceus node show`` prints: ``NODE: KEY=VALUE`` for each database, ``nodeid`` first.

As ``UI_NodeShow`` of perceus/perceus ``Perceus/Interface/Cmdline.pm`` prints it. The list of databases is the site's;
``ipaddr`` is four raw bytes, of which one may be a line break.
"""

from __future__ import annotations

import re

from .draft import Draft, Entry, Imported
from .lines import numbered
from .reasons import STATE

_LINE = re.compile(r"(?P<node>\S*): (?P<key>\w+)=(?P<value>.*)")
_CARRIED = {"group": "group", "vnfs": "vnfs", "desc": "description"}


def parse(text: str) -> Imported:
    """Return the nodes of the dump."""
    draft = Draft()
    node = None
    key = ""
    for number, line in numbered(text, comment=""):
        said = _LINE.fullmatch(line)
        if not said:
            if key != "ipaddr":
                draft.leave_out("a line", number, "it does not read NODE: KEY=VALUE")
            continue
        key = said["key"]
        if key == "nodeid":
            node = draft.begin(said["node"], number)
            node.macs.append((said["value"], number))
        elif node is None or said["node"] != node.name:
            draft.leave_out(f"{key} of {said['node']!r}", number, "no line with its nodeid comes before it")
        else:
            _take(draft, node, key, said["value"], number)
    return draft.result()


def _take(draft: Draft, node: Entry, key: str, value: str, line: int) -> None:
    if value in ("", "(undefined)") or key == "hostname":
        return
    if key in _CARRIED:
        node.set(_CARRIED[key], value, line)
    elif key == "enabled":
        node.set("enabled", value == "1", line)
    elif key == "ipaddr":
        draft.leave_out(key, line, STATE)
    else:
        draft.skip(key, line)
