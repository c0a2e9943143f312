# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of dnsmasq's lease file, as its ``lease_update_file()`` writes it.

A line for IPv4 is ``EXPIRY MAC ADDRESS NAME CLIENT-ID``: seconds since 1970, or 0 for ever; ``*`` for no name. Newer
versions add lines about vendor class and relay agent. After them come, if IPv6 is served, a line ``duid …`` and lines
with IPv6 addresses. All these are passed over here.
"""

from __future__ import annotations

import re
from io import StringIO

from .._errors import PerceusError
from .._names import parse_mac
from .lease import Gathering, Leases, parse_address

OLDEST = 946684800  # the year 2000, before dnsmasq

OTHERS = ("duid ", "vendorclass ", "agent-info ")

_IPV6 = re.compile(r"\d{1,20} T?\d{1,10} [0-9a-f:.]*:[0-9a-f:.]* .*", re.ASCII)
_EXPIRY = re.compile(r"\d{1,11}", re.ASCII)  # up to the year 5138


def parse_leases(text: str) -> Leases:
    """Turn the text of a lease file into leases.

    A line that is none becomes a warning; so does a client's name that is no host name, and the lease goes without it.
    """
    found = Gathering()
    relative = 0
    for number, line in enumerate(StringIO(text), start=1):
        line = line.rstrip("\r\n")
        if not line or line.startswith(OTHERS) or _IPV6.fullmatch(line):
            continue
        try:
            expiry = _parse_line(line, found)
        except PerceusError as error:
            found.refuse(number, error)
            continue
        relative += expiry is not None and expiry < OLDEST
    if relative:
        found.warnings.append(
            f"{relative} of the leases ended before there was a dnsmasq: was the clock wrong,"
            " or does this dnsmasq, built for machines without a clock, write how long leases last?"
        )
    return found.leases()


def _parse_line(line: str, found: Gathering) -> int | None:
    """Gather the lease of one line and return its end."""
    fields = line.split(" ")
    if len(fields) < 5:
        raise PerceusError(f"Cannot use {line[:100]!r}: it has {len(fields)} fields, not 5")
    expiry, mac, address, *words, _client_id = fields
    name = " ".join(words)
    if not _EXPIRY.fullmatch(expiry):
        raise PerceusError(f"Cannot use {expiry[:100]!r} as the end of a lease: not seconds since 1970")
    end = int(expiry) or None
    found.add(parse_mac(mac), parse_address(address), end, name=None if name == "*" else name)
    return end
