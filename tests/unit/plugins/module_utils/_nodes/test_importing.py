# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.declare import Means
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.draft import Imported, Row
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importing import ImportPlan, plan_import
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY, Group, Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import (
    parse_registry,
    render_registry,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MACS = [f"52:54:00:00:00:{number:02x}" for number in range(1, 9)]
N101 = Node("n101", (MACS[0],), IPv4Address("10.17.5.101"), "compute", True, "0" * 32, "2030-01-01T00:00:00Z")
KNOWN = Registry({"compute": Group("compute", vnfs="debian")}, (N101,))


def plan(
    means: Means,
    *rows: Row,
    registry: Registry = EMPTY,
    groups: tuple[Row, ...] = (),
    masked: tuple[str, ...] = (),
    update: bool = False,
) -> ImportPlan:
    """Plan an import, after which the registry can be written and nothing is left to import."""
    imported = Imported(rows, groups, masked, ())
    made = plan_import(imported, registry, means, origin="imported from csv", update=update)
    assert parse_registry(render_registry(made.after)) == made.after
    again = plan_import(imported, made.after, means, origin="imported from csv", update=update)
    assert not again.changed, again.as_diff()
    return made


def row(number: int, **said: Any) -> Row:
    return {"name": f"n{number}", "macs": [MACS[number - 101]], **said}


def reasons(made: ImportPlan) -> dict[str, str]:
    return {part.what: part.reason for part in made.left_out}


def test_a_new_node_gets_the_address_of_its_number(means: Means) -> None:
    made = plan(means, row(103), row(101))
    assert [(node.name, str(node.address), node.adopted) for node in made.after.nodes] == [
        ("n101", "10.17.5.101", "2030-01-01T00:00:00Z"),
        ("n103", "10.17.5.103", "2030-01-01T00:00:00Z"),
    ]
    assert len({node.machine_id for node in made.after.nodes}) == 2
    assert [carried["action"] for carried in made.carried] == ["add", "add"]


def test_nodes_of_another_pattern_get_free_addresses(means: Means) -> None:
    others = [{"name": f"compute-0-{number}", "macs": [MACS[number]]} for number in (5, 6)]
    made = plan(means, *others, row(101), registry=KNOWN)
    assert {node.name: str(node.address) for node in made.after.nodes} == {
        "n101": "10.17.5.101",
        "compute-0-5": "10.17.5.104",
        "compute-0-6": "10.17.5.103",
    }


def test_kernel_arguments_that_are_too_long_with_those_of_the_group_are_left_out(means: Means) -> None:
    policy = {"name": "compute", "kernel_args": "a" * 300}
    rows = (row(102, kernel_args="b" * 300), row(103, kernel_args="quiet"))
    groups = {"compute": Group("compute", kernel_args="quiet")}
    made = plan(means, *rows, registry=Registry(groups, ()), groups=(policy,))
    assert {node.name: node.kernel_args for node in made.after.nodes} == {"n102": "", "n103": "a" * 300}
    assert reasons(made) == {"kernel arguments of node 'n102'": "with those of its group they are too long"}


def test_an_address_that_the_import_gives_is_kept_for_its_node(means: Means) -> None:
    made = plan(means, row(102), row(101, address="10.17.5.102"))
    assert [str(node.address) for node in made.after.nodes] == ["10.17.5.102", "10.17.5.104"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.168.7.1", "it is not in the network 10.17.5.0/24"),
        ("10.17.5.255", "no host can have it in 10.17.5.0/24"),
        ("10.17.5.1", "it is the master's own"),
        ("10.17.5.30", "it is in discovery_range 10.17.5.20-10.17.5.90"),
        ("10.17.5.101", "it belongs to node 'n101'"),
    ],
)
def test_an_address_that_cannot_be_is_replaced_and_listed(means: Means, address: str, reason: str) -> None:
    made = plan(means, row(102, address=address), registry=KNOWN)
    assert str(made.after.by_name["n102"].address) == "10.17.5.102"
    assert reasons(made) == {f"address {address} of node 'n102'": f"{reason}: it has another now"}


def test_a_node_for_which_there_is_no_address_is_left_out(means: Means) -> None:
    made = plan(means, *(row(number) for number in range(101, 106)))
    assert len(made.after.nodes) == 4
    assert reasons(made) == {"node 'n105'": "the node range has no free address"}


def test_what_is_there_stays_as_it_is(means: Means) -> None:
    made = plan(means, row(101, description="other", group="gpu"), registry=KNOWN)
    assert not made.changed
    assert [carried["action"] for carried in made.carried] == ["none"]


def test_with_update_what_is_there_gets_what_the_import_says(means: Means) -> None:
    made = plan(means, row(101, description="other", enabled=False), registry=KNOWN, update=True)
    assert made.after.nodes == (replace(N101, description="other", enabled=False),)
    assert [carried["action"] for carried in made.carried] == ["update"]
    assert made.updated == ["n101"]


@pytest.mark.parametrize("update", [False, True])
def test_a_mac_of_another_node_is_refused_naming_both(means: Means, update: bool) -> None:
    made = plan(means, {"name": "n102", "macs": [MACS[0]]}, registry=KNOWN, update=update)
    assert not made.changed
    assert reasons(made) == {"node 'n102'": f"its MAC address {MACS[0]} belongs to node 'n101'"}


@pytest.mark.parametrize("update", [False, True])
def test_a_name_of_another_machine_is_refused(means: Means, update: bool) -> None:
    made = plan(means, {"name": "n101", "macs": [MACS[4]]}, registry=KNOWN, update=update)
    assert not made.changed
    assert reasons(made) == {"node 'n101'": f"a node of this name is there, with MAC address {MACS[0]}"}


def test_with_update_a_node_keeps_its_address_and_its_macs_and_gets_more(means: Means) -> None:
    again = {"name": "n101", "macs": [MACS[4], MACS[0]], "address": "10.17.5.104"}
    made = plan(means, again, registry=KNOWN, update=True)
    assert made.after.nodes == (replace(N101, macs=(MACS[0], MACS[4])),)
    assert reasons(made) == {"address 10.17.5.104 of node 'n101'": "it keeps 10.17.5.101"}


def test_masks_are_kept_and_no_masked_machine_becomes_a_node(means: Means) -> None:
    made = plan(means, row(102), registry=replace(KNOWN, masked={MACS[1]: "the site's"}), masked=(MACS[6], MACS[0]))
    assert made.after.masked == {MACS[1]: "the site's", MACS[6]: "imported from csv"}
    assert made.masked == [MACS[6]]
    assert reasons(made) == {
        f"the mask of {MACS[0]}": "it is node 'n101'",
        "node 'n102'": f"its MAC address {MACS[1]} is masked",
    }


def test_what_the_configuration_masks_is_not_masked_again(means: Means) -> None:
    masking = replace(means, config=replace(means.config, masked_macs=frozenset({MACS[6], MACS[1]})))
    made = plan(masking, row(102), masked=(MACS[6],))
    assert not made.changed
    assert reasons(made) == {"node 'n102'": f"its MAC address {MACS[1]} is masked"}


def test_a_vnfs_that_all_nodes_of_a_new_group_boot_is_the_groups(means: Means) -> None:
    made = plan(means, row(101, group="gpu", vnfs="rocky-9"), row(102, group="gpu", vnfs="rocky-9"))
    assert made.after.groups["gpu"].vnfs == "rocky-9"
    assert [node.vnfs for node in made.after.nodes] == [None, None]


def test_a_vnfs_that_some_nodes_of_a_group_boot_is_theirs(means: Means) -> None:
    made = plan(means, row(101, group="gpu", vnfs="rocky-9"), row(102, group="gpu"))
    assert made.after.groups["gpu"].vnfs is None
    assert [node.vnfs for node in made.after.nodes] == ["rocky-9", None]


@pytest.mark.parametrize("update", [False, True])
def test_a_group_that_is_there_keeps_its_vnfs(means: Means, update: bool) -> None:
    made = plan(means, row(102, vnfs="rocky-9"), row(103, vnfs="debian"), registry=KNOWN, update=update)
    assert made.after.groups["compute"].vnfs == "debian"
    assert [node.vnfs for node in made.after.nodes] == [None, "rocky-9", None]


def test_a_vnfs_that_is_not_here_is_left_out(means: Means) -> None:
    made = plan(means, row(101, vnfs="debuntu"), row(102, vnfs="debuntu"), groups=({"name": "a", "vnfs": "x"},))
    assert {group.vnfs for group in made.after.groups.values()} == {None}
    assert [node.vnfs for node in made.after.nodes] == [None, None]
    assert [(part.what, part.times) for part in made.left_out] == [("VNFS 'debuntu'", 2), ("VNFS 'x'", 1)]


def test_a_groups_policy_comes_with_it(means: Means) -> None:
    policy = {"name": "gpu", "vnfs": "rocky-9", "kernel_args": "quiet", "console": "ttyS1"}
    made = plan(means, row(101, group="gpu", kernel_args="isolcpus=1"), groups=(policy,))
    assert made.after.groups["gpu"] == Group("gpu", vnfs="rocky-9", console="ttyS1", kernel_args="quiet")
    assert made.after.nodes[0].kernel_args == "isolcpus=1"


def test_a_node_of_a_group_that_is_there_says_itself_what_the_group_does_not(means: Means) -> None:
    policy = {"name": "compute", "vnfs": "rocky-9", "kernel_args": "quiet"}
    made = plan(means, row(102, group="compute"), groups=(policy,), registry=KNOWN)
    assert made.after.groups == KNOWN.groups
    assert (made.after.by_name["n102"].vnfs, made.after.by_name["n102"].kernel_args) == ("rocky-9", "quiet")


def test_the_difference_shows_what_changes(means: Means) -> None:
    diff = plan(means, row(102), registry=KNOWN, masked=(MACS[6],)).as_diff()
    assert diff["before"] == ""
    mask, node = diff["after"].splitlines()
    assert mask == f'"{MACS[6]}": "imported from csv"'
    assert '"name": "n102"' in node


NAMES = st.sampled_from(["n101", "n102", "n103", "compute-0-0", "compute-0-1"])
ROWS: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {"name": NAMES, "macs": st.lists(st.sampled_from(MACS), min_size=1, max_size=2, unique=True)},
    optional={
        "address": st.sampled_from(["10.17.5.101", "10.17.5.104", "10.17.5.200", "10.17.5.1", "192.168.7.1"]),
        "group": st.sampled_from(["compute", "gpu"]),
        "vnfs": st.sampled_from(["debian", "rocky-9", "debuntu"]),
        "kernel_args": st.sampled_from(["quiet", "quiet isolcpus=1"]),
        "enabled": st.booleans(),
    },
)
GROUPS: st.SearchStrategy[list[Row]] = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["compute", "gpu"]), "vnfs": st.sampled_from(["debian", "x"])}),
    max_size=2,
    unique_by=lambda group: group["name"],
)


@st.composite
def imports(draw: st.DrawFn) -> tuple[list[Row], tuple[Row, ...], tuple[str, ...]]:
    """What an importer may return: no name or MAC twice, and none that is masked."""
    masked = tuple(draw(st.lists(st.sampled_from(MACS), max_size=1)))
    rows, seen = [], set(masked)
    for row in draw(st.lists(ROWS, max_size=5, unique_by=lambda row: row["name"])):
        if not seen.intersection(row["macs"]):
            rows.append(row)
            seen.update(row["macs"])
    return rows, tuple(draw(GROUPS)), masked


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(imports(), min_size=1, max_size=3), update=st.booleans())
def test_one_import_after_another_never_fails(means: Means, several: list[Any], update: bool) -> None:
    registry = KNOWN
    for rows, groups, masked in several:
        made = plan(means, *rows, registry=registry, groups=groups, masked=masked, update=update)
        assert registry.by_mac.keys() <= made.after.by_mac.keys() or update
        registry = made.after
