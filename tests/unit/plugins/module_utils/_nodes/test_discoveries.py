# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.discoveries import (
    LONGEST,
    Hardware,
    believe,
    believe_nodes,
    load_discoveries,
    load_neighbours,
    parse_discoveries,
)
from hypothesis import given
from hypothesis import strategies as st

MAC, UUID = "52:54:00:00:00:01", "4c4c4544-0042-3510-8052-b4c04f564231"
LINE = {
    "time": "2030-01-01T00:00:00+00:00",
    "address": "10.17.5.20",
    "mac": MAC,
    "manufacturer": "Acme%2C%20Inc.",
    "product": "Twin%201U",
    "serial": "SN-1001",
    "uuid": UUID,
}
ANY = st.none() | st.integers() | st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.text())


def line(**changed: Any) -> str:
    return json.dumps({**LINE, **changed}) + "\n"


def test_a_line_is_what_a_machine_says_of_itself() -> None:
    [found] = parse_discoveries(line())
    assert (found.mac, str(found.address), found.time.isoformat()) == (MAC, "10.17.5.20", LINE["time"])
    assert found.hardware == Hardware("Acme, Inc.", "Twin 1U", "SN-1001", UUID)


@pytest.mark.parametrize(
    "text",
    [
        line(mac="x"),
        line(address="::1"),
        line(time="now"),
        line(time="2030-01-01T00:00:00"),
        line(uuid=1),
        "[]\n",
        "{\n",
    ],
)
def test_what_is_no_discovery_is_passed_over(text: str) -> None:
    assert len(list(parse_discoveries(text + line()))) == 1


@given(fields=st.dictionaries(st.sampled_from(sorted(LINE)), ANY | st.text().map(lambda text: text * 100)))
def test_whatever_is_said_comes_out_short_and_printable_or_not_at_all(fields: dict[str, Any]) -> None:
    for found in parse_discoveries(line(**fields)):
        texts = (found.hardware.manufacturer, found.hardware.product, found.hardware.serial)
        assert all(len(text) <= LONGEST and text.isascii() and (text.isprintable() or not text) for text in texts)
        assert found.hardware.uuid in ("", UUID) or len(found.hardware.uuid) == 36


@pytest.mark.parametrize("serial", ["", "Default string", "To be filled by O.E.M.", "0123456789", "None"])
def test_a_board_without_a_serial_number_of_its_own_has_no_identity(serial: str) -> None:
    assert Hardware(serial=serial, uuid=UUID).identity is None


def test_a_board_is_known_by_serial_number_and_uuid_together() -> None:
    assert Hardware(serial="SN-1001", uuid=UUID).identity == ("SN-1001", UUID)
    assert Hardware(serial="SN-1001").identity is None
    assert Hardware(serial="SN-1001", uuid="00000000-0000-0000-0000-000000000000").identity is None


def test_only_who_holds_the_address_is_believed() -> None:
    [found] = parse_discoveries(line())
    lent, other = {MAC: IPv4Address("10.17.5.20")}, {MAC: IPv4Address("10.17.5.21")}
    assert believe([found], [other, lent]) == [found]
    assert believe([found], [other, {}]) == []


@pytest.mark.parametrize(
    ("stage", "believed"),
    [
        (None, ["SN-1001", "made-up", "SN-1003"]),
        ("ready", ["SN-1001"]),
        ("livesync", ["SN-1001"]),
        ("fetch", ["SN-1001", "SN-1003"]),
    ],
)
def test_users_of_a_node_that_is_up_cannot_say_what_board_it_is(stage: str | None, believed: list[str]) -> None:
    told = list(parse_discoveries("".join(line(serial=serial) for serial in ("SN-1001", "made-up", "SN-1003"))))
    found = believe_nodes(told, {MAC: told[0].hardware}, {MAC: stage})
    assert [discovery.hardware.serial for discovery in found] == believed
    assert believe_nodes(told, {}, {}) == told


def test_the_rotated_log_is_read_first(tmp_path: Path) -> None:
    (tmp_path / "boots.log.1").write_text(line(serial="older"))
    (tmp_path / "boots.log").write_text(line(serial="newer"))
    assert [found.hardware.serial for found in load_discoveries(tmp_path / "boots.log")] == ["older", "newer"]
    assert load_discoveries(tmp_path / "missing.log") == []


def test_neighbours_are_the_complete_ones_of_the_interface(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "10.17.5.20       0x1         0x2         52:54:00:00:00:01     *        eth1\n"
        "10.17.5.21       0x1         0x0         00:00:00:00:00:00     *        eth1\n"
        "192.0.2.1        0x1         0x2         52:54:00:00:00:02     *        eth0\n"
    )
    assert load_neighbours("eth1", table=table) == {MAC: IPv4Address("10.17.5.20")}
