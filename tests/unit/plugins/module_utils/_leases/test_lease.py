# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone
from ipaddress import IPv4Address

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Gathering, Lease, parse_address
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._leases.strategies import MACS

MAC, ADDRESS = "52:54:00:00:00:01", IPv4Address("10.17.5.20")
NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(("now", "live"), [(999, True), (1000, False), (1001, False)])
def test_a_lease_lives_until_it_ends(now: int, live: bool) -> None:
    assert Lease(MAC, ADDRESS, 1000).is_live(datetime.fromtimestamp(now, tz=timezone.utc)) is live


def test_a_lease_without_an_end_is_live_and_ends_last() -> None:
    found = Gathering()
    for expiry in (None, 4000000000):
        found.add(MAC, ADDRESS, expiry, name=None)
    assert [lease.is_live(datetime(9999, 1, 1, tzinfo=timezone.utc)) for lease in found.leases().leases] == [True]


@pytest.mark.parametrize("expiry", [0, -1])
def test_a_lease_until_1970_is_over_and_not_for_ever(expiry: int) -> None:
    found = Gathering()
    found.add(MAC, ADDRESS, expiry, name=None)
    [lease] = found.leases().leases
    assert lease.expiry and not lease.is_live(NOW)


@given(entries=st.lists(st.tuples(MACS, st.none() | st.integers(min_value=0, max_value=10**11))))
def test_each_mac_has_its_lease_that_ends_last(entries: list[tuple[str, int | None]]) -> None:
    found = Gathering()
    for mac, expiry in entries:
        found.add(mac, ADDRESS, expiry, name=None)
    wanted = {mac: max(Lease(mac, ADDRESS, end).end() for own, end in entries if own == mac) for mac, _end in entries}
    assert [(lease.mac, lease.end()) for lease in found.leases().leases] == [
        (mac, max(end, 1)) for mac, end in wanted.items()
    ]


@given(name=st.text())
def test_a_name_is_a_host_name_or_dropped_with_its_machine_named(name: str) -> None:
    found = Gathering()
    found.add(MAC, ADDRESS, None, name=name)
    [lease] = found.leases().leases
    if lease.client_name:
        assert (lease.client_name, found.warnings) == (name, [])
        assert not set(name) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")
    else:
        assert [warning.partition(": ")[0] for warning in found.warnings] == [f"Lease of {MAC}"]
        assert found.warnings[0].isprintable()


@pytest.mark.parametrize("value", ["", "10.17.5", "10.17.5.256", "fd00::1", "10.17.5.1\n", "x" * 9999])
def test_what_is_no_address_is_refused_in_few_words(value: str) -> None:
    with pytest.raises(PerceusError, match="not an IPv4 address") as caught:
        parse_address(value)
    assert len(caught.value.msg) < 500
