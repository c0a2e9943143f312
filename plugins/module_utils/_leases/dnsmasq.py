# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of dnsmasq's lease file, as its ``lease_update_file()`` writes it.

A line for IPv4 is ``EXPIRY MAC ADDRESS NAME CLIENT-ID``: seconds since 1970, or 0 for ever; ``*`` for no name. After
them come, if IPv6 is served, a line ``duid …`` and lines with IPv6 addresses, which are passed over here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address

from .._errors import PerceusError
from .._names import parse_client_name, parse_mac

_IPV6 = re.compile(r"\d{1,20} T?\d{1,10} [0-9a-f:.]*:[0-9a-f:.]* .*", re.ASCII)
_EXPIRY = re.compile(r"\d{1,11}", re.ASCII)  # up to the year 5138


@dataclass(frozen=True)
class Lease:
    """One address lent to one interface. ``expiry`` is seconds since 1970, None for ever.

    ``client_name`` is what the client calls itself, if that is a host name, else empty: never an identity.
    """

    mac: str
    address: IPv4Address
    expiry: int | None
    client_name: str = ""

    def end(self) -> float:
        """When the lease is over, comparable with others, in seconds since 1970."""
        return float("inf") if self.expiry is None else self.expiry

    def is_live(self, now: datetime) -> bool:
        return self.end() > now.timestamp()


@dataclass(frozen=True)
class Leases:
    """What a lease file says. ``leases`` holds the newest of each MAC; ``warnings`` name the lines that were refused.

    A machine may hold two, as firmware and operating system use different client ids: the one that ends last counts.
    """

    leases: tuple[Lease, ...]
    warnings: tuple[str, ...]

    @property
    def by_mac(self) -> dict[str, Lease]:
        return {lease.mac: lease for lease in self.leases}


def parse_leases(text: str) -> Leases:
    """Turn the text of a lease file into leases, in order of MAC.

    A line that is none becomes a warning; so does a client's name that is no host name, and the lease goes without it.
    """
    newest: dict[str, Lease] = {}
    warnings = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip("\r")
        if not line or line.startswith("duid ") or _IPV6.fullmatch(line):
            continue
        try:
            lease, name = _parse_line(line)
        except PerceusError as error:
            warnings.append(f"Line {number} of the leases: {error.msg}")
            continue
        if name != "*":
            try:
                lease = replace(lease, client_name=parse_client_name(name))
            except PerceusError as error:
                warnings.append(f"Lease of {lease.mac}: {error.msg}")
        before = newest.get(lease.mac)
        if before is None or lease.end() >= before.end():
            newest[lease.mac] = lease
    return Leases(tuple(newest[mac] for mac in sorted(newest)), tuple(warnings))


def _parse_line(line: str) -> tuple[Lease, str]:
    """Return the lease of one line, and the client's name as it stands there."""
    fields = line.split(" ")
    if len(fields) != 5:
        raise PerceusError(f"Cannot use {line[:100]!r}: it has {len(fields)} fields, not 5")
    expiry, mac, address, name, _client_id = fields
    if not _EXPIRY.fullmatch(expiry):
        raise PerceusError(f"Cannot use {expiry[:100]!r} as the end of a lease: not seconds since 1970")
    try:
        lent = IPv4Address(address)
    except AddressValueError as error:
        raise PerceusError(f"Cannot use {address[:100]!r}: not an IPv4 address") from error
    return Lease(parse_mac(mac), lent, int(expiry) or None), name
