# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's rows; tests/integration reads files that the real one wrote."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._leases.kea import FOR_EVER, parse_leases
from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Lease
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._leases.strategies import lease_lists

MAC, OTHER_MAC, ADDRESS = "52:54:00:00:00:01", "52:54:00:00:00:02", "10.17.5.20"
HEAD = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"


def row(
    name: str = "",
    *,
    address: str = ADDRESS,
    mac: str = MAC,
    lifetime: int = 600,
    expire: int = 1893456000,
    state: int = 0,
) -> str:
    return f"{address},{mac},01:{mac},{lifetime},{expire},1,0,0,{name},{state},\n"


def test_a_row_becomes_a_lease() -> None:
    found = parse_leases(HEAD + row("debian"))
    assert found.leases == (Lease(MAC, IPv4Address(ADDRESS), 1893456000, "debian"),)
    assert found.warnings == ()


def test_the_last_row_of_an_address_is_in_effect() -> None:
    found = parse_leases(HEAD + row() + row(mac=OTHER_MAC))
    assert [lease.mac for lease in found.leases] == [OTHER_MAC]


def test_a_lifetime_of_nothing_removes_a_lease() -> None:
    assert parse_leases(HEAD + row() + row(lifetime=0)).leases == ()


@pytest.mark.parametrize("state", [1, 2, 3], ids=["declined", "reclaimed", "released"])
def test_a_lease_in_another_state_is_nobodys(state: int) -> None:
    assert parse_leases(HEAD + row() + row(state=state)).leases == ()


def test_a_declined_address_without_a_machine_is_no_warning() -> None:
    assert parse_leases(HEAD + row(mac="", state=1)).warnings == ()


def test_the_longest_lifetime_is_for_ever() -> None:
    [lease] = parse_leases(HEAD + row(lifetime=FOR_EVER)).leases
    assert lease.expiry is None


def test_the_header_decides_which_column_is_what() -> None:
    old = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname\n"
    other = "address,hostname,state,expire,valid_lifetime,pool_id,hwaddr\n"
    rows = f"{ADDRESS},{MAC},,600,1893456000,1,0,0,debian\n", f"10.17.5.21,rocky,0,1893456000,600,7,{OTHER_MAC}\n"
    assert [lease.client_name for lease in parse_leases(old + rows[0] + other + rows[1]).leases] == ["debian", "rocky"]


def test_files_behind_each_other_are_read_as_one() -> None:
    found = parse_leases(HEAD + row() + row("b", address="10.17.5.21", mac=OTHER_MAC) + HEAD + row("a"))
    assert {lease.mac: lease.client_name for lease in found.leases} == {MAC: "a", OTHER_MAC: "b"}


def test_a_qualified_name_ends_with_a_dot_in_the_file_only() -> None:
    [lease] = parse_leases(HEAD + row("n9.cluster.internal.")).leases
    assert lease.client_name == "n9.cluster.internal"


@pytest.mark.parametrize("name", ["{{x}}", "-o", "a;b", "a/b", "é", "x" * 300, "a&#x2cb", "."])
def test_a_hostile_name_is_dropped_and_its_machine_named(name: str) -> None:
    found = parse_leases(HEAD + row(name))
    assert [lease.client_name for lease in found.leases] == [""]
    assert [warning.partition(": ")[0] for warning in found.warnings] == ([f"Lease of {MAC}"] if name != "." else [])


def test_a_comma_in_a_name_is_shown_as_the_client_said_it() -> None:
    assert "'a,b'" in parse_leases(HEAD + row("a&#x2cb")).warnings[0]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("nonsense\n", "Cannot use 'nonsense': it has too few columns"),
        (f"{ADDRESS},{MAC},10.17.5.21,{OTHER_MAC}\n", "Cannot use '10.17.5.20,52:54:00:00:00:01,"),
        (row(mac=""), "Cannot use '' as a MAC address"),
        (row(address="10.17.5.256"), "Cannot use '10.17.5.256': not an IPv4 address"),
        (row().replace("1893456000", "soon"), "Cannot use 'soon' as 'expire' of a lease"),
        (row().replace("600", "-1"), "Cannot use '-1' as 'valid_lifetime' of a lease"),
        (row().replace("600", "9" * 5000), "Cannot use '999"),
        ("\0" * 200 + "\n", "Cannot use '\\x00"),
    ],
)
def test_a_bad_row_is_named_and_changes_nothing(bad: str, why: str) -> None:
    found = parse_leases(HEAD + row() + bad)
    assert [lease.mac for lease in found.leases] == [MAC]
    [warning] = found.warnings
    assert warning.startswith(f"Line 3 of the leases: {why}")
    assert len(warning) < 700


def test_a_row_that_is_cut_short_changes_nothing() -> None:
    text = HEAD + row() + row(mac=OTHER_MAC)
    for end in range(len(HEAD + row()) + 1, len(text)):
        found = parse_leases(text[:end])
        assert [lease.mac for lease in found.leases] == [MAC]
        assert found.warnings[0].endswith("the row is cut short")


def test_leases_of_ipv6_are_refused() -> None:
    with pytest.raises(PerceusError, match="column 'expire' is not there") as caught:
        parse_leases("address,duid,valid_lifetime,hwaddr\n")
    assert "kea-dhcp4" in str(caught.value)


@given(text=st.text() | st.text(alphabet="0159a:.,&#x\n"))
def test_any_text_gives_leases_and_warnings(text: str) -> None:
    found = parse_leases(HEAD + text)
    assert len(found.leases) + len(found.warnings) <= text.count("\n") + 1


@given(leases=lease_lists(), again=st.randoms(use_true_random=False))
def test_what_kea_writes_is_what_is_read(leases: list[Lease], again: Any) -> None:
    earlier = [row(address=str(lease.address), mac="52:54:ff:ff:ff:ff") for lease in leases]
    again.shuffle(earlier)
    final = [
        row(
            lease.client_name,
            address=str(lease.address),
            mac=lease.mac,
            lifetime=FOR_EVER if lease.expiry is None else 600,
            expire=lease.expiry or 0,
        )
        for lease in leases
    ]
    found = parse_leases(HEAD + "".join(earlier) + HEAD + "".join(final))
    assert found.warnings == ()
    assert found.by_mac == {lease.mac: lease for lease in leases}
