# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases as a DHCP server may have them, for property tests."""

from __future__ import annotations

from ipaddress import IPv4Address

from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Lease
from hypothesis import strategies as st

MACS = st.integers(min_value=1, max_value=2**32 - 1).map(
    lambda number: ":".join(["52", "54", *(f"{number >> shift & 255:02x}" for shift in (24, 16, 8, 0))])
)


def lease_lists(*, oldest: int = 1, latest: int = 2**32 - 1) -> st.SearchStrategy[list[Lease]]:
    """Leases that end between two moments or never, none of them of a MAC or an address twice."""
    return st.lists(
        st.builds(
            Lease,
            mac=MACS,
            address=st.integers(min_value=0, max_value=2**32 - 1).map(IPv4Address),
            expiry=st.none() | st.integers(min_value=oldest, max_value=latest),
            client_name=st.from_regex(r"[A-Za-z0-9]{0,9}", fullmatch=True),
        ),
        unique_by=(lambda lease: lease.mac, lambda lease: lease.address),
    )
