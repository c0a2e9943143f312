# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of alarm begins and ends with its cause; tests/integration shows them with a real DHCP server."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Lease
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.alarms import find_alarms, held_back, since
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.discoveries import Discovery, Hardware
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.record import Evidence
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
LATER = int(NOW.timestamp()) + 100
MAC, OTHER_MAC, NEW_MAC, NEWER_MAC = (f"52:54:00:00:00:0{number}" for number in (1, 2, 3, 4))
BOARD = Hardware("Acme", "Twin", "SN-1", "4c4c4544-0042-3510-8052-b4c04f564231")
OTHER_BOARD = replace(BOARD, serial="SN-2")
REGISTRY = Registry(
    {},
    tuple(
        Node(name, (mac,), IPv4Address(address), "compute", True, "0" * 32, "2030-01-01T00:00:00Z")
        for name, mac, address in (("n101", MAC, "10.17.5.101"), ("n102", OTHER_MAC, "10.17.5.102"))
    ),
)


def lease(mac: str, name: str = "", *, address: str = "10.17.5.20", expiry: int = LATER) -> Lease:
    return Lease(mac, IPv4Address(address), expiry, name)


def found(
    leases: list[Lease],
    boards: dict[str, Hardware] | None = None,
    asked: list[Discovery] | None = None,
    *,
    masked: frozenset[str] = frozenset(),
    running: tuple[str, ...] = (),
) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    seen = {mac: Evidence(mac, "node", "", hardware=board) for mac, board in (boards or {}).items()}
    alarms = find_alarms(
        seen, leases, asked or [], REGISTRY, masked, is_running=lambda node: node.name in running, now=NOW
    )
    return [(alarm.kind, alarm.macs, alarm.nodes) for alarm in alarms]


@pytest.mark.parametrize("name", ["n101", "N101", "n101.elsewhere.example"])
def test_an_unknown_machine_with_a_nodes_name_has_perhaps_a_new_interface(name: str) -> None:
    assert found([lease(NEW_MAC, name)]) == [("new_mac", (NEW_MAC,), ("n101",))]


def test_a_node_with_another_nodes_name_is_a_duplicate() -> None:
    assert found([lease(OTHER_MAC, "n101")]) == [("duplicate_name", (OTHER_MAC,), ("n101", "n102"))]


def test_a_lease_that_is_over_or_masked_or_a_nodes_own_is_no_cause() -> None:
    assert found([lease(NEW_MAC, "n101", expiry=LATER - 200), lease(MAC, "n101"), lease(NEWER_MAC, "n103")]) == []
    assert found([lease(NEW_MAC, "n101")], masked=frozenset({NEW_MAC})) == []


def test_a_nodes_address_that_another_machine_was_lent_is_told_of() -> None:
    assert found([lease(NEW_MAC, address="10.17.5.101")]) == [("duplicate_address", (NEW_MAC,), ("n101",))]


def test_a_board_with_an_unknown_interface_has_a_second_one_or_a_new_one() -> None:
    boards = {MAC: BOARD, NEW_MAC: BOARD, OTHER_MAC: OTHER_BOARD}
    assert found([lease(MAC)], boards) == [("second_nic", (MAC, NEW_MAC), ("n101",))]
    assert found([], boards) == [("new_mac", (NEW_MAC,), ("n101",))]
    assert found([], boards, running=("n102",)) == [("new_mac", (NEW_MAC,), ("n101",))]
    assert found([], boards, running=("n101",)) == [("second_nic", (MAC, NEW_MAC), ("n101",))]


def test_boards_that_say_no_serial_number_are_not_taken_for_one() -> None:
    nameless = replace(BOARD, serial="Default string")
    assert found([], {MAC: nameless, NEW_MAC: nameless, OTHER_MAC: nameless}) == []


def test_a_node_may_have_several_interfaces() -> None:
    both = Registry({}, (replace(REGISTRY.nodes[0], macs=(MAC, NEW_MAC)),))
    seen = {mac: Evidence(mac, "node", "", hardware=BOARD) for mac in (MAC, NEW_MAC)}
    assert find_alarms(seen, [], [], both, frozenset(), is_running=lambda _node: False, now=NOW) == []


def test_one_mac_on_two_boards_is_told_of_for_a_day() -> None:
    def asked(age: timedelta, board: Hardware) -> Discovery:
        return Discovery(NOW - age, IPv4Address("10.17.5.101"), MAC, board)

    hour = timedelta(hours=1)
    assert found([], asked=[asked(hour, BOARD), asked(2 * hour, OTHER_BOARD)]) == [("duplicate_mac", (MAC,), ("n101",))]
    assert found([], asked=[asked(hour, BOARD), asked(25 * hour, OTHER_BOARD)]) == []
    assert found([], asked=[asked(hour, BOARD), asked(2 * hour, BOARD)]) == []


def test_of_unknown_interfaces_of_one_board_the_first_may_be_adopted() -> None:
    seen = {mac: Evidence(mac, "unknown", "", hardware=BOARD) for mac in (NEW_MAC, NEWER_MAC)}
    alarms = find_alarms(seen, [], [], REGISTRY, frozenset(), is_running=lambda _node: False, now=NOW)
    assert held_back(alarms, REGISTRY) == {NEWER_MAC}


def test_an_alarm_keeps_the_time_when_it_began() -> None:
    alarms = find_alarms(
        {}, [lease(NEW_MAC, "n101")], [], REGISTRY, frozenset(), is_running=lambda _node: False, now=NOW
    )
    first = since(alarms, [], now="2030-01-01T00:00:00Z")
    both = since([*alarms, replace(alarms[0], macs=(NEWER_MAC,))], first, now="2030-01-02T00:00:00Z")
    assert [alarm.first_seen for alarm in both] == ["2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"]
