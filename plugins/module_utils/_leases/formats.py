# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose lease file it is, told by its content: its name says nothing, a ``dhcpd.leases`` may well be dnsmasq's."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from .._errors import PerceusError
from .._lines import lines_with
from . import dnsmasq, isc, kea
from .lease import Leases


@dataclass(frozen=True)
class Format:
    """A kind of lease file. ``parse`` turns its text into leases.

    ``ends_whole`` says of the file's content that its last record is not cut short. To a ``log`` records are only ever
    appended, so that what is read up to there is what was true a moment ago; any other file is rewritten in place.
    """

    server: str
    parse: Callable[[str], Leases]
    ends_whole: Callable[[bytes], bool]
    is_log: bool


def _ends_with_a_line(content: bytes) -> bool:
    return not content or content.endswith(b"\n")


DNSMASQ = Format("dnsmasq", dnsmasq.parse_leases, _ends_with_a_line, is_log=False)
ISC = Format("ISC dhcpd", isc.parse_leases, isc.ends_whole, is_log=True)
KEA = Format("Kea", kea.parse_leases, _ends_with_a_line, is_log=True)

# The first line that only one of them has. dhcpd begins with comments, statements, or declarations of these kinds.
_MARK = re.compile(
    rb"^(?:(?P<dnsmasq>(?:duid|vendorclass|agent-info) |\d+ )|(?P<kea>address,)"
    rb"|(?P<isc>#|(?:authoring-byte-order|server-duid|lease|host|group|failover|class|subclass|ia-\w\w) .*[;{]\r?$))",
    re.MULTILINE,
)
_BY_MARK = {"dnsmasq": DNSMASQ, "kea": KEA, "isc": ISC}


def detect_format(content: bytes) -> Format | None:
    """Return the format of a lease file, None if it is no known one. An empty file is dnsmasq's, who truncates it."""
    if not content.strip():
        return DNSMASQ
    mark = _MARK.search(content)
    return _BY_MARK[str(mark.lastgroup)] if mark else None


def parse_leases(content: bytes, *, only: Collection[str] | None = None) -> Leases:
    """Turn a lease file of any known format into leases; raises :class:`PerceusError` if it has none.

    ``only`` are MAC addresses: leases of others may be left out, as reading a line takes much longer than finding it.
    """
    found = detect_format(content)
    if found is None:
        known = ", ".join(known.server for known in _BY_MARK.values())
        raise PerceusError(
            f"Cannot use the leases: their file was written by none of {known}", hint="Give a DHCP server's lease file"
        )
    text = content.decode(errors="backslashreplace").replace("\r\n", "\n")
    if only is not None and found is DNSMASQ:
        text = "\n".join(lines_with((f" {mac} " for mac in only), text))
    with _collector_at_rest():
        return found.parse(text)


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Spare the collector values of which none is garbage: it would go through all of them, again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
