# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone
from ipaddress import IPv4Address

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._leases import dnsmasq
from ansible_collections.perceus.cluster.plugins.module_utils._leases.dnsmasq import parse_leases
from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Lease
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._leases.strategies import lease_lists

MAC, ADDRESS = "52:54:00:00:00:01", "10.17.5.20"


def test_a_line_becomes_a_lease() -> None:
    found = parse_leases(f"1893456000 {MAC} {ADDRESS} debian 01:{MAC}\n")
    assert found.leases == (Lease(MAC, IPv4Address(ADDRESS), 1893456000, "debian"),)
    assert found.warnings == ()


def test_a_star_is_no_name_and_zero_no_end() -> None:
    [lease] = parse_leases(f"0 {MAC} {ADDRESS} * *\n").leases
    assert (lease.client_name, lease.expiry) == ("", None)
    assert lease.is_live(datetime(9999, 1, 1, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("first", "second", "kept"), [(1000, 2000, "10.17.5.2"), (2000, 1000, "10.17.5.1"), (0, 2000, "10.17.5.1")]
)
def test_the_lease_that_ends_last_is_its_machines(first: int, second: int, kept: str) -> None:
    text = f"{first} {MAC} 10.17.5.1 * *\n{second} {MAC} 10.17.5.2 * ff:01\n"
    assert [str(lease.address) for lease in parse_leases(text).leases] == [kept]


def test_ipv6_and_vendor_classes_are_passed_over_without_a_word() -> None:
    text = (
        f"1893456000 {MAC} {ADDRESS} * *\nvendorclass {ADDRESS} 50:58:45\nagent-info {ADDRESS} 01:02\n"
        "duid 00:01:00:01:2c:1a:52:54:00:00:00:01\n"
        "1893456000 16777217 fd00:17::1f5 debian 00:01:00:01:2c:1a\n1893456000 T16777218 fd00:17::1f6 * 00:01\n"
    )
    found = parse_leases(text)
    assert (len(found.leases), found.warnings) == (1, ())


def test_windows_line_ends_do_no_harm() -> None:
    assert len(parse_leases(f"1893456000 {MAC} {ADDRESS} * *\r\n\r\n").leases) == 1


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        f"soon {MAC} {ADDRESS} * *",
        f"-1 {MAC} {ADDRESS} * *",
        f"99999999999999999999 {MAC} {ADDRESS} * *",
        f"\u0661 {MAC} {ADDRESS} * *",
        f"1 {MAC} 10.17.5.256 * *",
        f"1 {MAC} {ADDRESS} *",
        f"1 06-{MAC} {ADDRESS} * *",
        f"1 ff:ff:ff:ff:ff:ff {ADDRESS} * *",
        "\0" * 200,
        "1" * 5000 + f" {MAC} {ADDRESS} * *",
    ],
)
def test_a_bad_line_is_named_and_hides_no_other(line: str) -> None:
    found = parse_leases(f"{line}\n1893456000 52:54:00:00:00:02 {ADDRESS} * *\n")
    assert [lease.mac for lease in found.leases] == ["52:54:00:00:00:02"]
    [warning] = found.warnings
    assert warning.startswith("Line 1 of the leases: Cannot use ")
    assert len(warning) < 500


@pytest.mark.parametrize("name", ["{{x}}", "{{ x }}", "-o", "a;b", "a/b", "a name", "é", "x" * 300, ""])
def test_a_hostile_name_is_dropped_and_its_machine_named(name: str) -> None:
    found = parse_leases(f"1893456000 {MAC} {ADDRESS} {name} *\n")
    assert [lease.client_name for lease in found.leases] == [""]
    assert [warning.partition(": ")[0] for warning in found.warnings] == [f"Lease of {MAC}"]


@given(text=st.text())
def test_any_text_gives_leases_and_warnings(text: str) -> None:
    found = parse_leases(text)
    assert len(found.leases) + len(found.warnings) <= text.count("\n") + 1


@given(leases=lease_lists(oldest=dnsmasq.OLDEST))
def test_what_dnsmasq_writes_is_what_is_read(leases: list[Lease]) -> None:
    text = "".join(
        f"{lease.expiry or 0} {lease.mac} {lease.address} {lease.client_name or '*'} *\n" for lease in leases
    )
    found = parse_leases(text)
    assert found.warnings == ()
    assert found.by_mac == {lease.mac: lease for lease in leases}


def test_lengths_instead_of_ends_are_noticed_and_hide_no_machine() -> None:
    found = parse_leases(f"43200 {MAC} {ADDRESS} * *\n43100 52:54:00:00:00:02 10.17.5.21 * *\n")
    assert len(found.leases) == 2
    [warning] = found.warnings
    assert warning.startswith("2 of the leases ended before there was a dnsmasq")


def test_a_lease_until_the_next_century_is_live() -> None:
    [lease] = parse_leases(f"4294967295 {MAC} {ADDRESS} * *\n").leases
    assert lease.is_live(datetime(2106, 2, 7, tzinfo=timezone.utc))
