# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lease file says, whichever DHCP server wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address

from .._errors import PerceusError
from .._names import parse_client_name


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
    """What a lease file says. ``leases`` holds the newest of each MAC, in the order in which the file first has them;
    ``warnings`` name the lines that were refused.

    A machine may hold two, as firmware and operating system use different client ids: the one that ends last counts.
    """

    leases: tuple[Lease, ...]
    warnings: tuple[str, ...]

    @property
    def by_mac(self) -> dict[str, Lease]:
        return {lease.mac: lease for lease in self.leases}


@dataclass
class Gathering:
    """Leases on their way from a text to :class:`Leases`; of two that end at once the later one counts."""

    warnings: list[str] = field(default_factory=list)
    _newest: dict[str, Lease] = field(default_factory=dict)

    def add(self, mac: str, address: IPv4Address, expiry: int | None, *, name: str | None) -> None:
        """Take in a lease. A ``name`` that is no host name becomes a warning, and the lease goes without it."""
        client_name = ""
        if name is not None:
            try:
                client_name = parse_client_name(name)
            except PerceusError as error:
                self.warnings.append(f"Lease of {mac}: {error.msg}")
        # What ended in 1970 has ended: 0 is shown to people as no end.
        lease = Lease(mac, address, None if expiry is None else max(expiry, 1), client_name)
        before = self._newest.get(mac)
        if before is None or lease.end() >= before.end():
            self._newest[mac] = lease

    def refuse(self, line: int, error: PerceusError) -> None:
        """Say why what begins in this line is no lease."""
        self.warnings.append(f"Line {line} of the leases: {error.msg}")

    def leases(self) -> Leases:
        """Return what was gathered."""
        return Leases(tuple(self._newest.values()), tuple(self.warnings))


def parse_address(value: str) -> IPv4Address:
    """Return the address that was lent; raises :class:`PerceusError` for what is none of IPv4."""
    try:
        return IPv4Address(value)
    except AddressValueError as error:
        raise PerceusError(f"Cannot use {value[:100]!r}: not an IPv4 address") from error
