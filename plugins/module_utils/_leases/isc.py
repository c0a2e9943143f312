# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of ISC dhcpd's lease file; see dhcpd.leases(5).

dhcpd appends a declaration whenever a lease changes: the last one of an address is in effect. The manual calls the
file free-form; what dhcpd writes (``write_lease()`` in its ``server/db.c``) has the words ``lease ADDRESS {`` and the
closing brace at the beginning of a line, all else indented, and each statement on a line of its own. A client cannot
put a line end into the file, so lines bound what its words can do, also those that an old dhcpd does not escape.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from .._errors import PerceusError
from .._names import parse_mac
from .lease import Gathering, Leases, parse_address

# Only an active lease is anybody's. A free or backup one, of failover's two pools, still names who had it last; an
# expired, released, reset or abandoned one waits for dhcpd to take it back.
HELD = "active"

# Lines in a row that belong together. Other declarations (host, group, failover peer, ia-na …) say nothing of a lease.
_PART = re.compile(
    r"lease (?P<address>\S+) \{\n(?P<body>(?:[ \t].*\n)*)\}$\n?"
    r"|(?!lease )[a-z].*\{\n(?:[ \t].*\n)*\}$\n?"
    r"|(?:#.*|(?!lease )[a-z].*;|[ \t]*)\n"
    r"|(?P<refused>.*)\n?(?:[ \t].*\n?)*",
    re.MULTILINE,
)
_STATE = re.compile(r"^[ \t]+(?:binding state (\S+)|(abandoned));", re.MULTILINE)
_MAC = re.compile(r"^[ \t]+hardware ethernet (\S+);", re.MULTILINE)
_NAME = re.compile(r'^[ \t]+client-hostname "(.*)";', re.MULTILINE)
_ENDS = re.compile(r"^[ \t]+ends (?:(never)|epoch (-?\d{1,12})|\d (\d{4}(?:[/ :]\d\d?){5}));", re.MULTILINE | re.ASCII)
_OUTSIDE = re.compile(rb"(?:\}|#.*|[a-z].*;|)\r?\n")


def parse_leases(text: str) -> Leases:
    """Turn the text of a lease file into leases.

    What is no declaration becomes a warning; so does a client's name that is no host name, and the lease goes without
    it. A name that has anything escaped is none.
    """
    found = Gathering()
    last: dict[str, tuple[int, str]] = {}
    line, counted = 1, 0
    for part in _PART.finditer(text):
        line, counted = line + text.count("\n", counted, part.start()), part.start()
        address = part["address"]
        if address is not None:
            last.pop(address, None)  # so that addresses come in the order of their last declarations
            last[address] = line, part["body"]
        elif part["refused"]:
            reason = PerceusError(f"Cannot use {part['refused'][:100]!r}: no declaration, or one that does not end")
            found.refuse(line, reason)
    for address, (line, body) in last.items():
        try:
            _parse_declaration(address, body, found)
        except PerceusError as error:
            found.refuse(line, error)
    return found.leases()


def ends_whole(content: bytes) -> bool:
    """Whether no declaration is cut short at the end, as one is that dhcpd is about to append."""
    last_line = content.rfind(b"\n", 0, -1) + 1
    return _OUTSIDE.fullmatch(content, last_line) is not None


def _parse_declaration(address: str, body: str, found: Gathering) -> None:
    """Gather the lease that is declared, if anybody holds it."""
    state = _STATE.search(body)
    if state is not None and (state[1] or state[2]) != HELD:
        return
    mac, name = _MAC.search(body), _NAME.search(body)
    if mac is None:
        raise PerceusError(f"Cannot use the lease of {address[:100]!r}: it is of no Ethernet address")
    found.add(parse_mac(mac[1]), parse_address(address), _parse_end(address, body), name=name[1] if name else None)


def _parse_end(address: str, body: str) -> int | None:
    """Return when the lease ends, in seconds since 1970, None for never. Times are in UTC."""
    ends = _ENDS.search(body)
    if ends is None:
        raise PerceusError(f"Cannot use the lease of {address[:100]!r}: it does not say when it ends")
    never, epoch, date = ends.groups()
    if never:
        return None
    if epoch:
        return int(epoch)
    year, month, day, hour, minute, second = map(int, re.split("[/ :]", date))
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp())
    except ValueError as error:
        raise PerceusError(f"Cannot use {date!r} as the end of a lease: no such time") from error
