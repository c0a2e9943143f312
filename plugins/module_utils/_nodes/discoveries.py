# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines say of their hardware when they ask for their boot script: the end of nginx's log of that.

Each line is a JSON object: ``time`` and ``address`` are nginx's, the rest is what somebody wrote into a URL. So a line
counts only for a machine that is known to hold that address: by its lease, or by the master's own neighbour table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from urllib.parse import unquote

from .._errors import PerceusError
from .._names import parse_mac
from .._reports import UP, load_tail

NEIGHBOURS = Path("/proc/net/arp")
TAIL = 1024 * 1024  # bytes; about 4,000 boots
LONGEST = 64  # characters of each text

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
# What boards say that were never told their serial number has no digit in it, or is one of these.
_NO_SERIALS = frozenset({"0", "00000000", "0123456789", "123456789", "1234567890"})


@dataclass(frozen=True)
class Hardware:
    """What a machine's firmware (SMBIOS) says that it is: good for showing, and for telling machines apart."""

    manufacturer: str = ""
    product: str = ""
    serial: str = ""
    uuid: str = ""

    @property
    def identity(self) -> tuple[str, str] | None:
        """What no two machines have in common, None when this one does not say it."""
        is_serial = any(map(str.isdigit, self.serial)) and self.serial not in _NO_SERIALS
        return (self.serial, self.uuid) if is_serial and len(set(self.uuid)) > 4 else None


@dataclass(frozen=True)
class Discovery:
    """One request for a boot script. ``time`` is aware."""

    time: datetime
    address: IPv4Address
    mac: str
    hardware: Hardware


def load_discoveries(log: Path, *, tail: int = TAIL) -> list[Discovery]:
    """Return the discoveries at the end of ``log``, oldest first; a log that does not exist holds none.

    Raises :class:`PerceusError` when it cannot be read.
    """
    return list(parse_discoveries(load_tail(log, tail)))


def parse_discoveries(text: str) -> Iterator[Discovery]:
    """Yield the valid discoveries in ``text``. Lines that are anything else are passed over."""
    for line in text.splitlines():
        discovery = _parse_line(line)
        if discovery is not None:
            yield discovery


def believe(discoveries: Iterable[Discovery], holders: Iterable[Mapping[str, IPv4Address]]) -> list[Discovery]:
    """Return the discoveries from machines that hold the address from which they spoke.

    ``holders`` are tables of addresses by MAC.
    """
    tables = tuple(holders)
    return [found for found in discoveries if any(table.get(found.mac) == found.address for table in tables)]


def believe_nodes(
    discoveries: Iterable[Discovery], known: Mapping[str, Hardware], stages: Mapping[str, str | None]
) -> list[Discovery]:
    """Return the discoveries without those that users of a running node may have made up, who can write such lines.

    ``known`` is by MAC what is known of machines' hardware, ``stages`` for the MACs of nodes the stage last reported,
    None if there was none. What says nothing new counts. Anything else counts of a node that is not up, and of what was
    said since it was last up only the end: before the first stage reports, firmware speaks last.
    """
    told = list(discoveries)
    last = {found.mac: found for found in told}

    def counts(found: Discovery) -> bool:
        stage = stages.get(found.mac)
        new = known.get(found.mac) != found.hardware
        return stage is None or not new or (stage not in UP and found is last[found.mac])

    return [found for found in told if counts(found)]


def load_neighbours(interface: str, *, table: Path = NEIGHBOURS) -> dict[str, IPv4Address]:
    """Return the addresses of the machines on ``interface`` by MAC, as the kernel has found them itself (arp(7))."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError as error:
        raise PerceusError(f"Cannot read the neighbours in {str(table)!r}: {error.strerror}") from error
    rows = [line.split() for line in lines]
    return {row[3]: IPv4Address(row[0]) for row in rows if row[5] == interface and int(row[2], 16) & 2}  # complete


def _parse_line(line: str) -> Discovery | None:
    try:
        fields = json.loads(line)
        time = datetime.fromisoformat(fields["time"])
        address = IPv4Address(fields["address"])
        mac = parse_mac(unquote(fields["mac"]))
        texts = {key: _clean(fields[key]) for key in ("manufacturer", "product", "serial")}
        uuid = unquote(fields["uuid"]).lower()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, AddressValueError, PerceusError):
        return None
    if time.tzinfo is None:
        return None
    return Discovery(time, address, mac, Hardware(**texts, uuid=uuid if _UUID.fullmatch(uuid) else ""))


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("?", unquote(text)).strip()[:LONGEST]
