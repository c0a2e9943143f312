# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``wwsh node print`` and ``wwsh provision print`` of Warewulf 3 say, one after the other in one file.

``NODE: KEY = VALUE`` as warewulf/warewulf3 ``Module/Cli/Node.pm`` and ``Module/Cli/Provision.pm`` print it; ``UNDEF``
is no value, and a network device's keys have its name before them, as in ``eth0.HWADDR``.
"""

from __future__ import annotations

import re

from .draft import Draft, Entry, Imported
from .lines import numbered

_LINE = re.compile(r"(?P<node>\S+): (?P<key>\S+) += (?P<value>.*)")
_CARRIED = {"VNFS": "vnfs", "CONSOLE": "console"}
_NAMES = frozenset({"ID", "NAME", "NODENAME"})


def parse(text: str) -> Imported:
    """Return the nodes of both listings."""
    draft = Draft()
    for number, line in numbered(text):
        said = _LINE.fullmatch(line)
        if not said:
            draft.leave_out("a line", number, "it does not read NODE: KEY = VALUE")
        elif said["value"] not in ("", "UNDEF", '""') and said["key"] not in _NAMES:
            _take(draft, draft.node(said["node"], number), said["key"], said["value"], number)
    return draft.result()


def _take(draft: Draft, node: Entry, key: str, value: str, line: int) -> None:
    device, _dot, detail = key.rpartition(".")
    if key in _CARRIED:
        node.set(_CARRIED[key], value, line)
    elif key == "GROUPS":
        node.set_groups(value.split(","), line)
    elif key == "ENABLED":
        node.set("enabled", value == "TRUE", line)
    elif key == "KARGS":
        node.set("kernel_args", value.strip('"'), line)
    elif key == "BOOTLOCAL":
        if value == "TRUE":
            node.set("boot", "local", line)
    elif detail == "HWADDR":
        node.macs.append((value, line))
    elif detail == "IPADDR" and "address" not in node.values:
        node.set("address", value, line)
    elif value != "FALSE":
        draft.skip(detail or key, line, of="a network device" if device else "")
