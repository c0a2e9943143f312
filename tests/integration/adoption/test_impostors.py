# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that claim a node's name, bring a second interface, or come back with another MAC address."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest

MAC, OTHER_MAC, THIRD_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
NAME = "n101.cluster.internal"
BOARD = {
    "manufacturer": "Acme",
    "product": "Twin 1U",
    "serial": "SN-1001",
    "uuid": "4c4c4544-0042-3510-8052-b4c04f564231",
}
OTHER_BOARD = {**BOARD, "serial": "SN-1002", "uuid": "4c4c4544-0042-3510-8052-b4c04f564232"}


@pytest.fixture
def n101(master: Any, clients: Any) -> str:
    """The first node, which has booted with its own address; the address."""
    clients.boot(MAC)
    master.run()
    master.wait_for("10.17.5.101", lambda: clients.boot(MAC).address)
    return "10.17.5.101"


@pytest.mark.parametrize("claim", ["n101", "N101", "n101.cluster.internal", "n101.unknown.cluster.internal"])
def test_the_name_of_a_node_stays_its_own_whoever_claims_it(
    n101: str, claim: str, master: Any, clients: Any, dnsmasq: Any
) -> None:
    address = clients.boot(OTHER_MAC, name=claim).address
    assert IPv4Address(address) in master.config.discovery_range
    master.run()
    assert master.names() == {MAC: "n101"}
    assert master.alarms() == [("new_mac", (OTHER_MAC,), ("n101",))]
    assert master.record().by_mac[OTHER_MAC].status == "quarantine"
    assert dnsmasq.look_up(NAME) == dnsmasq.look_up("n101") == [n101]
    assert clients.boot(MAC).address == n101


@pytest.mark.usefixtures("n101")
def test_a_name_that_no_node_has_is_in_dns_apart_from_the_nodes(clients: Any, dnsmasq: Any) -> None:
    for name in ("n102", "master", "gateway"):
        address = clients.boot(OTHER_MAC, name=name).address
        assert dnsmasq.look_up(f"{name}.unknown.cluster.internal") == [address]
        assert address not in dnsmasq.look_up(f"{name}.cluster.internal")
        assert dnsmasq.look_up(name) in ([], dnsmasq.look_up(f"{name}.cluster.internal"))


def test_a_node_that_claims_another_ones_name_gets_its_own(n101: str, master: Any, clients: Any, dnsmasq: Any) -> None:
    clients.boot(OTHER_MAC)
    master.run()
    master.wait_for("10.17.5.102", lambda: clients.boot(OTHER_MAC).address)
    assert clients.boot(OTHER_MAC, name="n101").host_name == "n102"
    master.run()
    assert dnsmasq.look_up(NAME) == [n101]
    assert dnsmasq.look_up("n102.cluster.internal") == ["10.17.5.102"]


@pytest.mark.usefixtures("n101")
def test_an_alarm_ends_with_its_cause(master: Any, clients: Any) -> None:
    clients.boot(OTHER_MAC, name="n101")
    master.run()
    [alarm] = master.record().alarms
    assert master.run() == []
    assert master.record().alarms == (alarm,)
    clients.boot(OTHER_MAC, name="new-node")
    assert any(line.startswith("alarm new_mac is over") for line in master.run())
    assert master.record().alarms == ()
    assert master.names() == {MAC: "n101", OTHER_MAC: "n102"}


def test_a_second_interface_of_a_node_waits_for_an_operator(
    n101: str, master: Any, clients: Any, ask: Callable[..., int]
) -> None:
    assert ask(MAC, n101, **BOARD) == 200
    master.change(adoption="off")
    address = clients.boot(OTHER_MAC).address
    assert ask(OTHER_MAC, address, **BOARD) == 404
    master.change(adoption="adopt")
    master.run()
    assert master.names() == {MAC: "n101"}
    assert master.alarms() == [("second_nic", (MAC, OTHER_MAC), ("n101",))]
    address = clients.boot(THIRD_MAC).address
    ask(THIRD_MAC, address, **OTHER_BOARD)
    master.run()
    assert master.names() == {MAC: "n101", THIRD_MAC: "n102"}


def test_two_interfaces_that_became_two_nodes_are_told_of(
    n101: str, master: Any, clients: Any, ask: Callable[..., int]
) -> None:
    clients.boot(OTHER_MAC)
    master.run()
    master.wait_for("10.17.5.102", lambda: clients.boot(OTHER_MAC).address)
    ask(MAC, n101, **BOARD)
    ask(OTHER_MAC, "10.17.5.102", **BOARD)
    master.run()
    assert master.alarms() == [("second_nic", (MAC, OTHER_MAC), ("n101", "n102"))]


def test_a_node_that_comes_with_a_new_interface_is_known_by_its_board(
    n101: str, master: Any, clients: Any, ask: Callable[..., int], dnsmasq: Any
) -> None:
    ask(MAC, n101, **BOARD)
    master.run()
    clients.release(MAC, n101, server=str(master.config.address.ip))
    address = clients.boot(OTHER_MAC).address
    ask(OTHER_MAC, address, **BOARD)
    master.run()
    assert master.names() == {MAC: "n101"}
    assert master.alarms() == [("new_mac", (OTHER_MAC,), ("n101",))]
    assert dnsmasq.look_up(NAME) == [n101]


def test_two_machines_with_one_mac_are_told_of(n101: str, master: Any, ask: Callable[..., int]) -> None:
    ask(MAC, n101, **BOARD)
    ask(MAC, n101, **OTHER_BOARD)
    master.run()
    assert master.alarms() == [("duplicate_mac", (MAC,), ("n101",))]


@pytest.mark.usefixtures("n101")
def test_who_speaks_for_another_machine_is_not_heard(master: Any, clients: Any, ask: Callable[..., int]) -> None:
    address = clients.boot(OTHER_MAC).address
    ask(MAC, address, **BOARD)
    ask("52:54:00:66:66:66", address, **BOARD)
    master.run()
    assert master.record().by_mac[MAC].hardware.serial == ""
    assert set(master.names()) == {MAC, OTHER_MAC}
    assert master.alarms() == []


def test_what_a_machine_says_of_itself_is_short_and_printable(n101: str, master: Any, ask: Callable[..., int]) -> None:
    ask(MAC, n101, manufacturer="{{ 7*7 }}\n\x1b[2J", product="x" * 900, serial="\x00", uuid="'; reboot")
    master.run()
    hardware = master.record().by_mac[MAC].hardware
    assert (hardware.manufacturer, hardware.product) == ("{{ 7*7 }}??[2J", "x" * 64)
    assert (hardware.serial, hardware.uuid) == ("?", "")
