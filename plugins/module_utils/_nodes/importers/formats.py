# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats from which nodes can be imported, each with what a text of it, and of no other, has in some line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..._errors import PerceusError
from . import (
    dhcpd,
    dnsmasq,
    ethers,
    oscar,
    perceus,
    perceus_reload,
    rocks_dump,
    rocks_list,
    table,
    warewulf3,
    warewulf4,
    xcat,
)
from .draft import Imported

_MAC = r"(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}"
_GAP = r"[ \t]+"


@dataclass(frozen=True)
class _Format:
    parse: Callable[[str], Imported]
    sign: str


_FORMATS = {
    "csv": _Format(table.parse, r"\A\ufeff?(?!#)(?=[^\n]*\b(?i:name|hostname)\b)(?=[^\n]*\b(?i:macs?)\b)[^\n:]*$"),
    "dhcpd": _Format(dhcpd.parse, rf"^[^#\n]*\bhardware{_GAP}ethernet\b"),
    "dnsmasq": _Format(dnsmasq.parse, r"^[ \t]*dhcp-host[ \t]*="),
    "ethers": _Format(ethers.parse, rf"^{_MAC}{_GAP}[\w.-]+[ \t]*(?:#.*)?$"),
    "oscar": _Format(oscar.parse, r"^#(?:Machine|Adapter) definitions"),
    "perceus": _Format(perceus.parse, r"^\S*: nodeid="),
    "perceus_reload": _Format(perceus_reload.parse, rf"^[ \t]*[\w.-]+{_GAP}{_MAC}{_GAP}\S+{_GAP}\S+{_GAP}[\d.]+"),
    "rocks_dump": _Format(rocks_dump.parse, rf"^[ \t]*(?:\S*/)?rocks{_GAP}add{_GAP}host\b"),
    "rocks_list": _Format(rocks_list.parse, rf"^[ \t]*HOST{_GAP}(?:MEMBERSHIP|SUBNET)\b"),
    "warewulf3": _Format(warewulf3.parse, rf"^[ \t]*\S+: (?:NODENAME|BOOTSTRAP){_GAP}= "),
    "warewulf4": _Format(warewulf4.parse, r"^(?:nodes|nodeprofiles):"),
    "xcat": _Format(xcat.parse, rf"^{_GAP}objtype[ \t]*=[ \t]*(?:node|group)\b"),
}
NAMES = tuple(_FORMATS)


def parse(text: str, *, name: str | None = None) -> tuple[str, Imported]:
    """Return the name of the text's format, which its content shows if it is not given, and what the text says.

    Raises :class:`PerceusError` when the format does not show, or the text cannot be read as being of it.
    """
    text = text.replace("\r\n", "\n")
    name = name or detect(text)
    return name, _FORMATS[name].parse(text)


def detect(text: str) -> str:
    """Return the name of the only format whose sign the text has. Raises :class:`PerceusError` when it is not one."""
    found = [name for name, known in _FORMATS.items() if re.search(known.sign, text, re.MULTILINE)]
    if len(found) == 1:
        return found[0]
    looks = f"it looks like {' and '.join(found)}" if found else "it looks like none that is known"
    raise PerceusError(f"Cannot tell the format: {looks}", hint=f"Say which it is: {', '.join(NAMES)}")
