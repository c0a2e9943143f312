# SPDX-License-Identifier: GPL-3.0-or-later
"""``/etc/ethers`` (ethers(5)), alone or together with the ``/etc/hosts`` (hosts(5)) that has the addresses.

Perceus writes both, ``MAC NAME`` and ``ADDRESS NAME``: ``perceus configure hosts`` of perceus/perceus.
"""

from __future__ import annotations

import re

from .draft import Draft, Entry, Imported
from .lines import numbered

_MAC = re.compile(r"(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}", re.ASCII)


def parse(text: str) -> Imported:
    """Return the nodes that have a line in ethers."""
    draft = Draft()
    named: dict[str, Entry] = {}
    addresses: dict[str, tuple[str, int]] = {}
    for number, line in numbered(text):
        first, *names = line.split()
        if not names:
            draft.leave_out("a line", number, "it names no host")
        elif _MAC.fullmatch(first):
            node = draft.begin(names[0], number)
            node.macs.append((first, number))
            named.setdefault(_label(names[0]), node)
        else:
            addresses.update(dict.fromkeys(map(_label, names), (first, number)))
    for name in addresses.keys() & named.keys():
        named[name].set("address", *addresses[name])
    for name in addresses.keys() - named.keys():
        draft.leave_out("a name of hosts", addresses[name][1], "ethers has no MAC address for it")
    return draft.result()


def _label(name: str) -> str:
    return name.partition(".")[0].lower()
