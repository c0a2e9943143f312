# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes import address_plan
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.declare import (
    Means,
    add_nodes,
    declare_nodes,
    remove_nodes,
    rename_node,
    replace_node,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY, Group, Node, Registry

Declare = Callable[..., Registry]


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


@pytest.fixture
def declare(means: Means) -> Declare:
    """Have nodes be what entries say; ``nodes`` are of a registry that is there."""

    def declare(
        *entries: dict[str, Any], registry: Registry = EMPTY, all_of_them: bool = False, **changed: Any
    ) -> Registry:
        config = replace(means.config, **changed)
        return declare_nodes(registry, entries, replace(means, config=config), all_of_them=all_of_them)

    return declare


@pytest.fixture
def three(declare: Declare) -> Registry:
    """n101 to n103, of which the last is in the group viz."""
    return declare(
        {"name": "n101", "macs": [mac(1)]},
        {"name": "n102", "macs": [mac(2)], "vnfs": "rocky-9", "kernel_args": "debug"},
        {"name": "n103", "macs": [mac(3), mac(13)], "group": "viz"},
    )


def names(registry: Registry) -> list[str]:
    return list(registry.by_name)


def test_a_new_node_is_what_an_adopted_one_would_be(declare: Declare) -> None:
    registry = declare({"name": "n102", "macs": ["52-54-00-00-00-02"]})
    [node] = registry.nodes
    assert node == Node(
        name="n102",
        macs=(mac(2),),
        address=node.address,
        group="compute",
        enabled=True,
        machine_id=f"{1:032x}",
        adopted="2030-01-01T00:00:00Z",
    )
    assert str(node.address) == "10.17.5.102"
    assert registry.groups == {"compute": Group("compute")}


def test_what_is_said_is_so_and_what_is_not_said_stays(declare: Declare, three: Registry) -> None:
    registry = declare({"name": "n[101-102]", "boot": "local", "variables": {"rack": 7}}, registry=three)
    first, second, third = registry.nodes
    assert (first.boot, first.variables, second.boot) == ("local", {"rack": 7}, "local")
    assert (second.vnfs, second.kernel_args, second.machine_id) == ("rocky-9", "debug", three.nodes[1].machine_id)
    assert third == three.nodes[2]


def test_saying_it_again_changes_nothing(declare: Declare, three: Registry) -> None:
    entries = [{"name": "n102", "vnfs": "rocky-9"}, {"name": "@viz", "group": "viz"}, {"macs": [mac(1)]}]
    assert declare(*entries, registry=three) == three


@pytest.mark.parametrize("key", ["vnfs", "boot", "console"])
def test_an_empty_value_leaves_it_to_the_group(declare: Declare, three: Registry, key: str) -> None:
    own = declare({"name": "n102", "boot": "shell", "console": "ttyS1"}, registry=three)
    assert getattr(declare({"name": "n102", key: ""}, registry=own).by_name["n102"], key) is None


def test_later_entries_win(declare: Declare, three: Registry) -> None:
    registry = declare({"name": "*", "vnfs": "debian"}, {"name": "n103", "vnfs": "rocky-9"}, registry=three)
    assert [node.vnfs for node in registry.nodes] == ["debian", "debian", "rocky-9"]


def test_an_entry_may_be_about_nodes_that_another_one_makes(declare: Declare) -> None:
    registry = declare({"name": "n101", "macs": [mac(1)]}, {"name": "n*", "group": "viz"})
    assert registry.by_name["n101"].group == "viz"
    assert list(registry.groups) == ["viz"]


def test_a_machine_without_a_name_gets_the_first_free_number(declare: Declare, three: Registry) -> None:
    gap = remove_nodes(three, [{"name": "n102"}])
    registry = declare({"macs": [mac(5)]}, {"macs": [mac(4)]}, registry=gap)
    new = [node for node in registry.nodes if node not in gap.nodes]
    assert {node.macs[0]: node.name for node in new} == {mac(5): "n102", mac(4): "n104"}


def test_a_machine_without_a_name_that_is_known_is_its_node(declare: Declare, three: Registry) -> None:
    registry = declare({"macs": [mac(3), mac(14)], "vnfs": "debian"}, registry=three)
    assert (registry.by_name["n103"].macs, registry.by_name["n103"].vnfs) == ((mac(3), mac(14)), "debian")


def test_a_machine_is_the_node_that_the_table_makes_of_it(declare: Declare, three: Registry) -> None:
    registry = declare({"macs": [mac(1)]}, {"name": "n101", "macs": [mac(11)]}, registry=three)
    assert (registry.by_name["n101"].macs, registry.by_mac[mac(1)].name) == ((mac(11),), "n104")
    swapped = [{"name": "n101", "macs": [mac(2)]}, {"name": "n102", "macs": [mac(1)]}, {"macs": [mac(1)], "group": "x"}]
    registry = declare(*swapped, registry=three)
    assert [(node.macs[0], node.group) for node in registry.nodes[:2]] == [(mac(2), "compute"), (mac(1), "x")]


@pytest.mark.parametrize("again", [{"name": "n101", "macs": [mac(1)]}, {"macs": [mac(11), mac(1)]}])
@pytest.mark.parametrize("all_of_them", [False, True])
def test_two_entries_that_say_other_macs_of_one_node_are_refused(
    declare: Declare, three: Registry, again: dict[str, Any], all_of_them: bool
) -> None:
    with pytest.raises(PerceusError, match=f"node 'n101' with MAC .*{mac(1)}: an entry before has {mac(11)}"):
        declare({"name": "n101", "macs": [mac(11)]}, again, registry=three, all_of_them=all_of_them)


def test_an_added_node_is_no_other_machine(means: Means, three: Registry) -> None:
    added = add_nodes(three, [{"name": "n104", "macs": [mac(4)]}, {"macs": [mac(3), mac(13)]}], means)
    assert names(added) == ["n101", "n102", "n103", "n104"]
    assert add_nodes(added, [{"name": "n104", "macs": [mac(4)]}], means) == added
    with pytest.raises(PerceusError, match=f"Cannot add node 'n101' with MAC {mac(4)}: it is there, with MAC {mac(1)}"):
        add_nodes(three, [{"name": "n101", "macs": [mac(4)]}], means)
    with pytest.raises(
        PerceusError, match=f"Cannot add node 'n103' with MAC {mac(13)}: it is there, with MAC {mac(3)}"
    ):
        add_nodes(three, [{"macs": [mac(13)]}], means)


def test_names_that_are_no_numbers_get_addresses_from_the_end(declare: Declare) -> None:
    registry = declare(
        {"name": "login", "macs": [mac(1)]}, {"name": "n104", "macs": [mac(4)]}, {"name": "stunt", "macs": [mac(2)]}
    )
    assert {node.name: str(node.address) for node in registry.nodes} == {
        "login": "10.17.5.103",
        "n104": "10.17.5.104",
        "stunt": "10.17.5.102",
    }


def test_a_range_that_is_full_says_so(declare: Declare, three: Registry) -> None:
    full = declare({"name": "n104", "macs": [mac(4)]}, registry=three)
    with pytest.raises(PerceusError, match=r"node_range 10\.17\.5\.101-10\.17\.5\.104 has no free number"):
        declare({"macs": [mac(5)]}, registry=full)
    with pytest.raises(PerceusError, match=r"give node 'login' an address: node_range .* has no free one"):
        declare({"name": "login", "macs": [mac(5)]}, registry=full)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"name": "n104", "macs": [mac(1)]}, f"'n104': MAC {mac(1)} belongs to node 'n101' already"),
        ({"name": "n102", "address": "10.17.5.101"}, "'n102': address 10.17.5.101 belongs to node 'n101' already"),
        ({"name": "n[101-102]", "address": "10.17.5.104"}, "'n102': address 10.17.5.104 belongs to node 'n101'"),
        ({"macs": [mac(1), mac(2)]}, "as one node: they belong to n101, n102"),
        ({"name": "n101", "vnfs": "nope"}, "boot VNFS 'nope': there is no such VNFS. There is debian, rocky-9"),
        ({"name": "n101", "overlays": ["nope"]}, "get overlay 'nope': there is no such overlay. There is greeting"),
        ({"name": "n101", "address": "10.17.5.1"}, "10.17.5.1: it is the master's own"),
        ({"name": "n101", "address": "10.17.5.20"}, "10.17.5.20: it is in discovery_range 10.17.5.20-10.17.5.90"),
        ({"name": "n101", "address": "10.17.5.255"}, "10.17.5.255: no host can have it in 10.17.5.0/24"),
        ({"name": "n101", "address": "10.17.5.0"}, "10.17.5.0: no host can have it in 10.17.5.0/24"),
        ({"name": "n101", "address": "10.17.6.7"}, "10.17.6.7: it is not in the network 10.17.5.0/24"),
        ({"name": "n101", "address": "nonsense"}, "'address' of a node cannot be 'nonsense'"),
        ({"name": "n101", "macs": []}, "needs at least one MAC"),
        ({"name": "n[101-102]", "macs": [mac(5)]}, "Cannot name a node 'n[101-102]'"),
        ({"name": "n999", "vnfs": "debian"}, "no node matches n999"),
        ({"name": "", "vnfs": "debian"}, "Cannot select nodes: none are named"),
        ({"name": "", "macs": [mac(5)]}, "Cannot name a node ''"),
        ({"name": "n101", "machine_id": "0" * 32}, "a node has no 'machine_id'"),
        ({"name": "n101", "description": "a\nb"}, "as a description"),
        ({"name": "n101", "macs": ["52:54:00:00:00:66"]}, "MAC 52:54:00:00:00:66 is masked"),
        ({"name": "n101", "macs": ["52:54:00:00:00:67"]}, "MAC 52:54:00:00:00:67 is masked"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    declare: Declare, three: Registry, entry: dict[str, Any], reason: str
) -> None:
    masked = replace(three, masked={"52:54:00:00:00:66": "storage"})
    with pytest.raises(PerceusError) as caught:
        declare(entry, registry=masked, masked_macs=frozenset({"52:54:00:00:00:67"}))
    assert reason in str(caught.value)


def test_addresses_cannot_be_given_unchecked(
    declare: Declare, three: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_plan, "IPSet", None)
    declare({"name": "n104", "macs": [mac(4)]}, registry=three)
    with pytest.raises(PerceusError, match="Install the package python3-netaddr on the master"):
        declare({"name": "n101", "address": "10.17.5.104"}, registry=three)


def test_declared_nodes_are_all_that_there_are(declare: Declare, three: Registry) -> None:
    entries = [
        {"name": "n102", "macs": [mac(2)]},
        {"name": "n103", "macs": [mac(3), mac(13)]},
        {"name": "n*!n102", "vnfs": "debian"},
        {"macs": [mac(9)]},
    ]
    registry = declare(*entries, registry=three, all_of_them=True)
    assert names(registry) == ["n102", "n103", "n104"]
    second, third, new = registry.nodes
    assert (new.macs, new.machine_id) == ((mac(9),), f"{4:032x}")
    assert second == replace(three.nodes[1], vnfs=None, kernel_args="")
    assert third == replace(three.nodes[2], vnfs="debian", group="compute")
    with pytest.raises(PerceusError, match="no node matches n101"):
        declare({"name": "n101", "vnfs": "debian"}, registry=three, all_of_them=True)
    assert declare(*entries, registry=registry, all_of_them=True) == registry


def test_declared_nodes_may_have_the_macs_of_nodes_that_go(declare: Declare, three: Registry) -> None:
    registry = declare({"name": "stunt", "macs": [mac(1)], "address": "10.17.5.101"}, registry=three, all_of_them=True)
    assert names(registry) == ["stunt"]


def test_nodes_are_removed_be_they_there_or_not(three: Registry) -> None:
    registry = remove_nodes(three, [{"name": "n[102-109]"}, {"name": None, "macs": ["52-54-00-00-00-01", mac(9)]}])
    assert names(registry) == []
    assert registry.groups == three.groups


def test_a_node_is_removed_only_if_it_has_the_macs_that_are_said(three: Registry) -> None:
    gone = remove_nodes(three, [{"name": "n103", "macs": [mac(13)]}])
    assert names(gone) == ["n101", "n102"]
    assert remove_nodes(gone, [{"name": "n103", "macs": [mac(13)]}]) == gone
    with pytest.raises(PerceusError, match=f"Cannot remove node 'n101': MAC {mac(2)} belongs to node 'n102'"):
        remove_nodes(three, [{"name": "n101", "macs": [mac(1), mac(2)]}])
    with pytest.raises(PerceusError, match=f"Cannot remove node 'n101': MAC {mac(9)} belongs to no node"):
        remove_nodes(three, [{"name": "n101", "macs": [mac(9)]}])
    with pytest.raises(PerceusError, match=f"Cannot remove node 'n109': MAC {mac(1)} belongs to node 'n101'"):
        remove_nodes(three, [{"name": "n109", "macs": [mac(1)]}])
    with pytest.raises(PerceusError, match="none are named"):
        remove_nodes(three, [{"name": ""}])


def test_a_replacement_takes_the_place_of_the_machine_only(means: Means, three: Registry) -> None:
    by_mac = replace_node(three, "n102", "52:54:00:00:00:AA", means.config)
    assert by_mac.by_name["n102"] == replace(three.by_name["n102"], macs=("52:54:00:00:00:aa",))
    by_name = replace_node(three, "n102", "n103", means.config)
    assert names(by_name) == ["n101", "n102"]
    assert by_name.by_name["n102"] == replace(three.by_name["n102"], macs=(mac(3), mac(13)))
    assert replace_node(three, "n102", mac(13), means.config) == by_name
    assert replace_node(by_name, "n102", mac(13), means.config) == by_name


@pytest.mark.parametrize(
    ("name", "replacement", "reason"),
    [
        ("n109", mac(9), "Cannot replace node 'n109': there is no such node"),
        ("n101", "n109", "Cannot replace a node by 'n109': neither a node nor a MAC address"),
        (
            "n101",
            "52:54:00:00:00:66",
            "Cannot replace node 'n101' by '52:54:00:00:00:66': MAC 52:54:00:00:00:66 is masked",
        ),
    ],
)
def test_a_replacement_that_cannot_be_is_refused(
    means: Means, three: Registry, name: str, replacement: str, reason: str
) -> None:
    masked = replace(three, masked={"52:54:00:00:00:66": "storage"})
    with pytest.raises(PerceusError) as caught:
        replace_node(masked, name, replacement, means.config)
    assert reason in str(caught.value)


def test_a_renamed_node_keeps_all_but_its_name(three: Registry) -> None:
    registry = rename_node(three, "n101", "stunt")
    assert registry.by_name["stunt"] == replace(three.by_name["n101"], name="stunt")
    assert "n101" not in registry.by_name
    assert rename_node(registry, "n101", "stunt") == registry
    with pytest.raises(PerceusError, match="Cannot rename node 'n102': there is a node 'n103' already"):
        rename_node(three, "n102", "n103")
    with pytest.raises(PerceusError, match="Cannot rename node 'n200': there is no such node"):
        rename_node(three, "n200", "n201")
    with pytest.raises(PerceusError, match="Cannot name a node"):
        rename_node(three, "n101", "N1")
