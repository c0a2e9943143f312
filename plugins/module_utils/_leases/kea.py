# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of Kea's DHCPv4 lease file (memfile), CSV as its ``CSVLeaseFile4`` writes it.

Kea appends a row whenever a lease changes: the last row of an address is in effect, and one with a lifetime of 0
removes it. A row that cannot be used changes nothing. A header says which columns follow; versions of Kea differ in
them. Where files of one server stand behind each other, as lease file cleanup (kea-lfc(8)) leaves them, each begins
with its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from ipaddress import IPv4Address
from typing import NamedTuple

from .._errors import PerceusError
from .._names import parse_mac
from .lease import Gathering, Leases, parse_address

HEADER = "address,"
ASSIGNED = "0"  # declined is 1, expired and reclaimed 2, released and kept for the client 3
FOR_EVER = 0xFFFFFFFF  # seconds

_NEEDED = ("address", "hwaddr", "valid_lifetime", "expire", "hostname")
_NUMBER = re.compile(r"\d{1,11}", re.ASCII)
_ESCAPED = re.compile(r"&#x([0-9a-f]{2})", re.ASCII)


class _Held(NamedTuple):
    """What a row says of a lease that somebody holds."""

    mac: str
    address: IPv4Address
    expiry: int | None
    name: str | None


def parse_leases(text: str) -> Leases:
    """Turn the text of a lease file, or of several, into leases.

    A row that is none becomes a warning; so does a client's name that is no host name, and the lease goes without it.
    Raises :class:`PerceusError` for a header that lacks what a lease of IPv4 needs.
    """
    found = Gathering()
    held: dict[str, _Held] = {}
    columns: list[str] = []
    for number, ended_line in enumerate(StringIO(text), start=1):
        line = ended_line.rstrip("\n")
        if line == ended_line:
            found.refuse(number, PerceusError(f"Cannot use {line[:100]!r}: the row is cut short"))
        elif line.startswith(HEADER):
            columns = _parse_header(line)
        elif line:
            row = dict(zip(columns, line.split(",")))
            try:
                lease = _parse_row(row)
            except PerceusError as error:
                found.refuse(number, error)
                continue
            held.pop(row["address"], None)  # so that addresses come in the order of their last rows
            if lease is not None:
                held[row["address"]] = lease
    for mac, address, expiry, name in held.values():
        found.add(mac, address, expiry, name=name)
    return found.leases()


def _parse_header(line: str) -> list[str]:
    columns = line.split(",")
    for column in _NEEDED:
        if column not in columns:
            raise PerceusError(
                f"Cannot use the leases: Kea's column {column!r} is not there", hint="Give the lease file of kea-dhcp4"
            )
    return columns


def _parse_row(row: Mapping[str, str]) -> _Held | None:
    """Return what a row says of the lease of its address, None if nobody holds it."""
    if "hostname" not in row:
        raise PerceusError(f"Cannot use {','.join(row.values())[:100]!r}: it has too few columns")
    address = parse_address(row["address"])
    for column in ("valid_lifetime", "expire"):
        if not _NUMBER.fullmatch(row[column]):
            raise PerceusError(f"Cannot use {row[column][:100]!r} as {column!r} of a lease: no number of seconds")
    lifetime = int(row["valid_lifetime"])
    if lifetime == 0 or (row.get("state") or ASSIGNED) != ASSIGNED:
        return None
    expiry = None if lifetime == FOR_EVER else int(row["expire"])
    # Kea ends a name that has a domain with a dot.
    name = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), row["hostname"]).removesuffix(".")
    return _Held(parse_mac(row["hwaddr"]), address, expiry, name or None)
