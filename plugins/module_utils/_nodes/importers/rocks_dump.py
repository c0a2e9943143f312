# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``rocks dump`` prints: the commands that would make the cluster anew.

``rocks add host NAME cpus= rack= rank= membership=`` and ``rocks set host interface KEY NAME DEVICE VALUE``, or with
the last two as ``iface=`` and ``KEY=``: rocksclusters/base ``src/command/commands/dump/host``.
"""

from __future__ import annotations

import shlex

from .draft import Draft, Imported
from .lines import numbered
from .rocks import MASTER, Interfaces, take_host


def parse(text: str) -> Imported:
    """Return the hosts that the commands add."""
    draft = Draft()
    interfaces = Interfaces()
    for number, line in numbered(text, comment=""):
        try:
            program, *words = shlex.split(line)
        except ValueError:
            draft.leave_out("a line", number, "its quotes do not match")
            continue
        if program.rpartition("/")[2] != "rocks":
            continue
        options = dict(word.split("=", 1) for word in words if "=" in word)
        _take(draft, interfaces, [word for word in words if "=" not in word], options, number)
    interfaces.apply(draft)
    return draft.result()


def _take(draft: Draft, interfaces: Interfaces, words: list[str], options: dict[str, str], line: int) -> None:
    if words[:2] == ["add", "host"] and len(words) == 3:
        if words[2] != MASTER:
            take_host(draft, words[2], options, line)
    elif words[:3] == ["set", "host", "interface"] and len(words) >= 5:
        key, host, *rest = words[3:]
        named = [options[name] for name in ("iface", key) if name in options]
        if host != MASTER and len(rest + named) >= 2:
            interfaces.set(host, (rest + named)[0], key, (rest + named)[1], line)
    elif words[1:2] == ["host"] and words[:3] != ["add", "host", "interface"]:
        draft.skip(words[2] if len(words) > 2 else "host", line)
