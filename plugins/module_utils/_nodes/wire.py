# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is on the wire: by leases, and by what machines say when they ask for their boot script."""

from __future__ import annotations

from .._config import ClusterConfig
from .._leases.lease import Lease
from .._leases.reader import load_leases
from .discoveries import Discovery, believe, load_discoveries, load_neighbours
from .evidence import lent_otherwise


def load_wire(config: ClusterConfig) -> tuple[tuple[Lease, ...], list[Discovery]]:
    """Return the leases, and the discoveries from machines that hold the address from which they spoke.

    Where another server lends the addresses, whose leases need not be known here, a discovery stands for a lease.
    Raises :class:`PerceusError` when a source cannot be read.
    """
    leases = load_leases(config.leases, missing_ok=True).leases
    holders = [{lease.mac: lease.address for lease in leases}, load_neighbours(config.interface)]
    discoveries = believe(load_discoveries(config.boots), holders)
    if config.dhcp_mode == "proxy":
        leases = tuple({lease.mac: lease for lease in (*lent_otherwise(discoveries), *leases)}.values())
    return leases, discoveries
