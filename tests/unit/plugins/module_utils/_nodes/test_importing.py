# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from ipaddress import IPv4Address
from itertools import count
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.draft import Imported, Row
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importing import ImportPlan, plan_import
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY, Group, Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import (
    parse_registry,
    render_registry,
)

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
MACS = [f"52:54:00:00:00:{number:02x}" for number in range(1, 9)]
N101 = Node("n101", (MACS[0],), IPv4Address("10.17.5.101"), "compute", True, "0" * 32, "2030-01-01T00:00:00Z")
KNOWN = Registry({"compute": Group("compute", vnfs="debian")}, (N101,))


def plan(
    config: ClusterConfig,
    *rows: Row,
    registry: Registry = EMPTY,
    groups: tuple[Row, ...] = (),
    masked: tuple[str, ...] = (),
    update: bool = False,
) -> ImportPlan:
    ids = count(1)
    made = plan_import(
        Imported(rows, groups, masked, ()),
        registry,
        config,
        vnfses=["debian", "rocky-9"],
        origin="imported from csv",
        now=NOW,
        new_machine_id=lambda: f"{next(ids):032x}",
        update=update,
    )
    assert parse_registry(render_registry(made.after)) == made.after
    again = plan_import(
        Imported(rows, groups, masked, ()),
        made.after,
        config,
        vnfses=["debian", "rocky-9"],
        origin="imported from csv",
        now=NOW,
        new_machine_id=lambda: f"{next(ids):032x}",
        update=update,
    )
    assert not again.changed, again.as_diff()
    return made


def row(number: int, **said: Any) -> Row:
    return {"name": f"n{number}", "macs": [MACS[number - 101]], **said}


def reasons(made: ImportPlan) -> dict[str, str]:
    return {part.what: part.reason for part in made.left_out}


def test_a_new_node_gets_the_address_of_its_number(config: ClusterConfig) -> None:
    made = plan(config, row(103), row(101))
    assert [(node.name, str(node.address), node.adopted) for node in made.after.nodes] == [
        ("n101", "10.17.5.101", "2030-01-01T00:00:00Z"),
        ("n103", "10.17.5.103", "2030-01-01T00:00:00Z"),
    ]
    assert len({node.machine_id for node in made.after.nodes}) == 2
    assert [carried["action"] for carried in made.carried] == ["add", "add"]


def test_nodes_of_another_pattern_get_free_addresses(config: ClusterConfig) -> None:
    others = [{"name": f"compute-0-{number}", "macs": [MACS[number]]} for number in (5, 6)]
    made = plan(config, *others, row(101), registry=KNOWN)
    assert {node.name: str(node.address) for node in made.after.nodes} == {
        "n101": "10.17.5.101",
        "compute-0-5": "10.17.5.102",
        "compute-0-6": "10.17.5.103",
    }


def test_an_address_that_the_import_gives_is_kept_for_its_node(config: ClusterConfig) -> None:
    made = plan(config, row(102), row(101, address="10.17.5.102"))
    assert [str(node.address) for node in made.after.nodes] == ["10.17.5.102", "10.17.5.101"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.168.7.1", "it is no address of a host in 10.17.5.0/24"),
        ("10.17.5.255", "it is no address of a host in 10.17.5.0/24"),
        ("10.17.5.1", "it is the master's"),
        ("10.17.5.30", "it is in the discovery range"),
        ("10.17.5.101", "it belongs to node 'n101'"),
    ],
)
def test_an_address_that_cannot_be_is_replaced_and_listed(config: ClusterConfig, address: str, reason: str) -> None:
    made = plan(config, row(102, address=address), registry=KNOWN)
    assert str(made.after.by_name["n102"].address) == "10.17.5.102"
    assert reasons(made) == {f"address {address} of node 'n102'": f"{reason}: it has another now"}


def test_a_node_for_which_there_is_no_address_is_left_out(config: ClusterConfig) -> None:
    made = plan(config, *(row(number) for number in range(101, 106)))
    assert len(made.after.nodes) == 4
    assert reasons(made) == {"node 'n105'": "the node range has no free address"}


def test_what_is_there_stays_as_it_is(config: ClusterConfig) -> None:
    made = plan(config, row(101, description="other", group="gpu"), registry=KNOWN)
    assert not made.changed
    assert [carried["action"] for carried in made.carried] == ["none"]


def test_with_update_what_is_there_gets_what_the_import_says(config: ClusterConfig) -> None:
    made = plan(config, row(101, description="other", enabled=False), registry=KNOWN, update=True)
    assert made.after.nodes == (replace(N101, description="other", enabled=False),)
    assert [carried["action"] for carried in made.carried] == ["update"]
    assert made.as_diff()["before"].startswith("node n101 ")


@pytest.mark.parametrize("update", [False, True])
def test_a_mac_of_another_node_is_refused_naming_both(config: ClusterConfig, update: bool) -> None:
    made = plan(config, {"name": "n102", "macs": [MACS[0]]}, registry=KNOWN, update=update)
    assert not made.changed
    assert reasons(made) == {"node 'n102'": f"its MAC address {MACS[0]} belongs to node 'n101'"}


def test_a_name_of_another_machine_is_refused(config: ClusterConfig) -> None:
    made = plan(config, {"name": "n101", "macs": [MACS[4]]}, registry=KNOWN)
    assert not made.changed
    assert reasons(made) == {"node 'n101'": f"a node of this name is there, with MAC address {MACS[0]}"}


def test_masks_are_kept_and_no_masked_machine_becomes_a_node(config: ClusterConfig) -> None:
    made = plan(config, row(102), registry=replace(KNOWN, masked={MACS[1]: "the site's"}), masked=(MACS[6], MACS[0]))
    assert made.after.masked == {MACS[1]: "the site's", MACS[6]: "imported from csv"}
    assert made.masked == [MACS[6]]
    assert reasons(made) == {
        f"the mask of {MACS[0]}": "it is node 'n101'",
        "node 'n102'": f"its MAC address {MACS[1]} is masked",
    }


def test_what_the_configuration_masks_is_not_masked_again(config: ClusterConfig) -> None:
    masking = replace(config, masked_macs=frozenset({MACS[6], MACS[1]}))
    made = plan(masking, row(102), masked=(MACS[6],))
    assert not made.changed
    assert reasons(made) == {"node 'n102'": f"its MAC address {MACS[1]} is masked"}


def test_a_vnfs_that_all_nodes_of_a_new_group_boot_is_the_groups(config: ClusterConfig) -> None:
    made = plan(config, row(101, group="gpu", vnfs="rocky-9"), row(102, group="gpu", vnfs="rocky-9"))
    assert made.after.groups["gpu"].vnfs == "rocky-9"
    assert [node.vnfs for node in made.after.nodes] == [None, None]


def test_a_vnfs_that_some_nodes_of_a_group_boot_is_theirs(config: ClusterConfig) -> None:
    made = plan(config, row(101, group="gpu", vnfs="rocky-9"), row(102, group="gpu"))
    assert made.after.groups["gpu"].vnfs is None
    assert [node.vnfs for node in made.after.nodes] == ["rocky-9", None]


@pytest.mark.parametrize("update", [False, True])
def test_a_group_that_is_there_keeps_its_vnfs(config: ClusterConfig, update: bool) -> None:
    made = plan(config, row(102, vnfs="rocky-9"), row(103, vnfs="debian"), registry=KNOWN, update=update)
    assert made.after.groups["compute"].vnfs == "debian"
    assert [node.vnfs for node in made.after.nodes] == [None, "rocky-9", None]


def test_a_vnfs_that_is_not_here_is_left_out(config: ClusterConfig) -> None:
    made = plan(config, row(101, vnfs="debuntu"), row(102, vnfs="debuntu"), groups=({"name": "a", "vnfs": "x"},))
    assert {group.vnfs for group in made.after.groups.values()} == {None}
    assert [node.vnfs for node in made.after.nodes] == [None, None]
    assert [(part.what, part.times) for part in made.left_out] == [("VNFS 'debuntu'", 2), ("VNFS 'x'", 1)]


def test_a_groups_policy_comes_with_it(config: ClusterConfig) -> None:
    policy = {"name": "gpu", "vnfs": "rocky-9", "kernel_args": "quiet", "console": "ttyS1"}
    made = plan(config, row(101, group="gpu", kernel_args="isolcpus=1"), groups=(policy,))
    assert made.after.groups["gpu"] == Group("gpu", vnfs="rocky-9", console="ttyS1", kernel_args="quiet")
    assert made.after.nodes[0].kernel_args == "isolcpus=1"


def test_a_node_of_a_group_that_is_there_says_itself_what_the_group_does_not(config: ClusterConfig) -> None:
    policy = {"name": "compute", "vnfs": "rocky-9", "kernel_args": "quiet"}
    made = plan(config, row(102, group="compute"), groups=(policy,), registry=KNOWN)
    assert made.after.groups == KNOWN.groups
    assert (made.after.by_name["n102"].vnfs, made.after.by_name["n102"].kernel_args) == ("rocky-9", "quiet")


def test_the_difference_shows_what_changes_and_nothing_that_is_made_up(config: ClusterConfig) -> None:
    made = plan(config, row(102), registry=KNOWN, masked=(MACS[6],))
    assert made.as_diff() == {
        "before": "",
        "after": f"mask {MACS[6]} imported from csv\n"
        f'node n102 {{"macs": ["{MACS[1]}"], "address": "10.17.5.102", "group": "compute", "enabled": true}}\n',
    }
