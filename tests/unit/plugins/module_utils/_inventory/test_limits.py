# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.limits import limit_snapshot
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.snapshot import Snapshot
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import Machine
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.hosts import VnfsHost


def node(name: str, group: str, *groups: str) -> Machine:
    return Machine(name, ("nodes", f"group_{group}", *groups), {"group": group})


ALL = Snapshot(
    (
        node("n101", "compute", "live", "vnfs_rocky-9.3"),
        node("n102", "compute", "expired"),
        node("n103", "gpu", "live"),
        Machine("mac-525400000009", ("unknown", "live"), {}),
    ),
    (VnfsHost("debian", None),),
)


def limited(*, nodes: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> list[str]:
    found = limit_snapshot(ALL, nodes=nodes, groups=groups)
    return [*(machine.name for machine in found.machines), *(host.name for host in found.vnfs)]


@pytest.mark.parametrize(
    ("nodes", "left"),
    [
        (("n102",), ["n102"]),
        (("n103", "n101"), ["n101", "n103"]),
        (("n[101-102]",), ["n101", "n102"]),
        (("n*",), ["n101", "n102", "n103"]),
        (("@gpu",), ["n103"]),
        (("@compute!n101",), ["n102"]),
    ],
)
def test_a_limit_to_nodes_leaves_nodes_alone(nodes: tuple[str, ...], left: list[str]) -> None:
    assert limited(nodes=nodes) == left


def test_a_node_whose_group_a_master_does_not_say_is_in_none() -> None:
    snapshot = Snapshot((Machine("n101", ("nodes",), {}), node("n102", "gpu")))
    assert [found.name for found in limit_snapshot(snapshot, nodes=["@gpu"], groups=()).machines] == ["n102"]


@pytest.mark.parametrize(
    ("groups", "left"),
    [
        (("live",), ["n101", "n103", "mac-525400000009"]),
        (("unknown", "group_gpu"), ["n103", "mac-525400000009"]),
        (("vnfs_rocky_9_3",), ["n101"]),
        (("vnfs_*",), ["n101", "debian.vnfs"]),
        (("vnfs_capsules",), ["debian.vnfs"]),
        (("state_refused",), []),
    ],
)
def test_a_limit_to_groups_takes_their_names_as_ansible_has_them(groups: tuple[str, ...], left: list[str]) -> None:
    assert limited(groups=groups) == left


def test_both_limits_count() -> None:
    assert limited(nodes=("n*",), groups=("live",)) == ["n101", "n103"]


def test_without_limits_all_is_left() -> None:
    assert limit_snapshot(ALL, nodes=(), groups=()) == ALL


@pytest.mark.parametrize("nodes", ["n104", "mac-525400000009", "@none", "n[101-"])
def test_a_limit_that_means_no_node_is_an_error(nodes: str) -> None:
    with pytest.raises(PerceusError, match="node"):
        limited(nodes=(nodes,))
