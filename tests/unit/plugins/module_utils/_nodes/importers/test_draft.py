# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.draft import Draft, Imported, LeftOut

MAC = "52:54:00:00:00:01"


def node(name: str = "n1", *macs: str, line: int = 1, values: Mapping[str, str] | None = None) -> Imported:
    """What becomes of one node."""
    draft = Draft()
    entry = draft.begin(name, line)
    entry.macs.extend((mac, line) for mac in macs or (MAC,))
    for key, value in (values or {}).items():
        entry.set(key, value, line)
    return draft.result()


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ lookup('pipe', 'id') }}",
        "-oProxyCommand=x",
        "../../etc",
        "a;reboot",
        "a\nb",
        "a\0b",
        "n" * 300,
        "п1",
        "",
        ".",
    ],
)
def test_a_hostile_name_is_left_out_and_listed(hostile: str) -> None:
    found = node(hostile, line=7)
    assert found.nodes == ()
    [left_out] = found.left_out
    assert (left_out.line, left_out.what) == (7, "node")
    assert left_out.reason.startswith("Cannot name a node")


@pytest.mark.parametrize(("name", "label"), [("N101", "n101"), ("n101.cluster.internal", "n101")])
def test_a_name_is_one_label_in_lower_case(name: str, label: str) -> None:
    assert [row["name"] for row in node(name).nodes] == [label]


@pytest.mark.parametrize(
    "written",
    ["52:54:0:0:0:1", "52-54-00-00-00-01", "5254.0000.0001", "525400000001", "01:52:54:00:00:00:01", MAC.upper()],
)
def test_a_mac_is_known_in_all_its_forms(written: str) -> None:
    assert [row["macs"] for row in node("n1", written).nodes] == [[MAC]]


@pytest.mark.parametrize("mac", ["", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "52:54:00:00:00", "+1:+1:+1:+1:+1:+1"])
def test_a_node_without_a_good_mac_is_left_out(mac: str) -> None:
    found = node("n1", mac)
    assert found.nodes == ()
    assert "it has no MAC address of its own" in [part.reason for part in found.left_out]


def test_a_name_that_stands_twice_is_left_out_the_second_time() -> None:
    draft = Draft()
    for line, name, mac in ((1, "n1", MAC), (5, "N1.old", "52:54:00:00:00:02")):
        draft.begin(name, line).macs.append((mac, line))
    found = draft.result()
    assert [row["macs"] for row in found.nodes] == [[MAC]]
    assert found.left_out == (LeftOut(5, "node 'n1'", "a node of this name stands in line 1 already"),)


def test_a_mac_that_stands_twice_stays_with_its_first_node() -> None:
    draft = Draft()
    draft.begin("n1", 1).macs.append((MAC, 1))
    draft.begin("n2", 2).macs.extend([(MAC.upper(), 2), ("52:54:00:00:00:02", 3)])
    found = draft.result()
    assert [row["macs"] for row in found.nodes] == [[MAC], ["52:54:00:00:00:02"]]
    assert found.left_out == (LeftOut(2, f"MAC {MAC} of node 'n2'", "it belongs to node 'n1' already"),)


def test_a_masked_machine_becomes_no_node() -> None:
    draft = Draft()
    draft.mask(MAC, 1)
    draft.begin("n1", 2).macs.append((MAC, 2))
    found = draft.result()
    assert (found.nodes, found.masked) == ((), (MAC,))
    assert found.left_out == (LeftOut(2, "node 'n1'", "another boot server owns it: it is masked"),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("group", "7 dwarfs"),
        ("vnfs", "../debian"),
        ("kernel_args", "quiet && reboot"),
        ("boot", "floppy"),
        ("console", "tty0 quiet"),
        ("description", "two\nlines"),
        ("address", "10.17.5.256"),
    ],
)
def test_a_wrong_value_is_left_out_and_its_node_is_not(key: str, value: str) -> None:
    found = node(values={key: value})
    assert found.nodes == ({"name": "n1", "macs": [MAC]},)
    assert [part.what for part in found.left_out] == ["node 'n1'"]


def test_a_groups_name_takes_the_form_of_an_ansible_group() -> None:
    assert node(values={"group": "NAS Appliance-2"}).nodes[0]["group"] == "nas_appliance_2"


def test_a_variable_that_cannot_be_one_does_not_spoil_the_others() -> None:
    draft = Draft()
    entry = draft.begin("n1", 1)
    entry.macs.append((MAC, 1))
    entry.variables.update({"rack": "r1", "perceus_mac": "x", "door-side": "left"})
    found = draft.result()
    assert found.nodes[0]["variables"] == {"rack": "r1", "door_side": "left"}
    assert "perceus_mac" in found.left_out[0].reason


def test_a_variable_that_would_run_programs_on_the_controller_is_left_out_and_listed() -> None:
    draft = Draft()
    entry = draft.begin("n1", 1)
    entry.macs.append((MAC, 1))
    entry.variables.update({"ansible_connection": "local", "ansible_user": "root"})
    found = draft.result()
    assert found.nodes[0]["variables"] == {"ansible_user": "root"}
    assert "Cannot take over the variable 'ansible_connection'" in found.left_out[0].reason


def test_what_is_left_out_again_and_again_is_listed_once() -> None:
    draft = Draft()
    for line in (3, 7, 9):
        draft.skip("arch", line)
    assert draft.result().left_out == (LeftOut(3, "arch", "the machine itself knows it", times=3),)
