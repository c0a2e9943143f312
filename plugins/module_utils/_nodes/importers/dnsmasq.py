# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines ``dhcp-host=`` of a dnsmasq.conf (dnsmasq(8)), such as ``/etc/perceus/dnsmasq.conf``.

``dhcp-host=MAC,…,ADDRESS,NAME,LEASE-TIME`` in any order; with ``ignore`` the machine belongs to another boot server.
"""

from __future__ import annotations

import re

from ..._errors import PerceusError
from ..._names import parse_mac
from .draft import Draft, Imported
from .lines import numbered

_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_LEASE_TIME = re.compile(r"\d+[smhdw]?|infinite", re.ASCII)
_LABELLED = re.compile(r"(id|set|tag|net):.*|\[.*\]", re.ASCII)


def parse(text: str) -> Imported:
    """Return the machines that have a name, and the masks."""
    draft = Draft()
    for number, line in numbered(text):
        key, _equals, value = line.partition("=")
        if key.strip() == "dhcp-host":
            _take(draft, [word.strip() for word in value.split(",")], number)
        else:
            draft.skip(key.strip(), number)
    return draft.result()


def _take(draft: Draft, words: list[str], line: int) -> None:
    macs = [word for word in words if _is_mac(word)]
    if "ignore" in words:
        for mac in macs:
            draft.mask(mac, line)
        if not macs:
            draft.leave_out("a mask", line, "it has no MAC address")
        return
    others = [word for word in words if word not in macs]
    names = [word for word in others if not (_ADDRESS.fullmatch(word) or _LEASE_TIME.fullmatch(word))]
    names = [name for name in names if name and not _LABELLED.fullmatch(name)]
    if not names:
        draft.leave_out("a dhcp-host", line, "it names no host")
        return
    node = draft.begin(names[0], line)
    node.macs.extend((mac, line) for mac in macs)
    for address in filter(_ADDRESS.fullmatch, others):
        node.set("address", address, line)


def _is_mac(word: str) -> bool:
    try:
        parse_mac(word)
    except PerceusError:
        return False
    return True
