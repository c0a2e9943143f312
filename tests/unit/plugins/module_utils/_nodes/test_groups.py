# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.declare import Known
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.groups import (
    declare_groups,
    mask_macs,
    remove_group,
    unmask_macs,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Group, Node, Registry

NODE = Node("n101", ("52:54:00:00:00:01",), IPv4Address("10.17.5.101"), "viz", True, "0" * 32, "2030-01-01T00:00:00Z")
REGISTRY = Registry({"viz": Group("viz", "debian", kernel_args="quiet"), "spare": Group("spare")}, (NODE,))
KNOWN = Known({"debian", "rocky-9"}, {"a", "b"})


def declare(*entries: dict[str, Any], all_of_them: bool = False) -> Registry:
    return declare_groups(REGISTRY, entries, KNOWN, all_of_them=all_of_them)


def test_what_is_said_of_a_group_is_so_and_what_is_not_said_stays() -> None:
    registry = declare({"name": "viz", "vnfs": "rocky-9", "boot": None}, {"name": "new", "overlays": ["a", "b"]})
    assert registry.groups == {
        "viz": Group("viz", "rocky-9", kernel_args="quiet"),
        "spare": Group("spare"),
        "new": Group("new", overlays=("a", "b")),
    }
    assert registry.nodes == REGISTRY.nodes


def test_an_empty_value_leaves_it_to_the_cluster() -> None:
    assert declare({"name": "viz", "vnfs": ""}).groups["viz"] == Group("viz", kernel_args="quiet")


def test_declared_groups_are_all_that_there_are() -> None:
    assert declare({"name": "viz", "boot": "local"}, all_of_them=True).groups == {"viz": Group("viz", boot="local")}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"name": "viz", "vnfs": "nope"}, "Cannot have group 'viz' boot VNFS 'nope'"),
        ({"name": "Viz"}, "Cannot name a group 'Viz'"),
        ({"name": "viz", "overlays": ["../x"]}, "Cannot name an overlay"),
        (
            {"name": "viz", "overlays": ["c"]},
            "Cannot have group 'viz' get overlay 'c': there is no such overlay. There is a, b",
        ),
        ({"name": "spare"}, "Cannot remove group 'viz': n101 is in it"),
    ],
)
def test_what_cannot_be_is_refused(entry: dict[str, Any], reason: str) -> None:
    with pytest.raises(PerceusError) as caught:
        declare(entry, all_of_them=True)
    assert reason in str(caught.value)


def test_no_node_goes_with_its_group() -> None:
    with pytest.raises(PerceusError, match=r"Cannot remove group 'viz': n101 is in it\. Say with move_to"):
        remove_group(REGISTRY, "viz", move_to=None)
    moved = remove_group(REGISTRY, "viz", move_to="fresh")
    assert moved.nodes == (replace(NODE, group="fresh"),)
    assert moved.groups == {"spare": Group("spare"), "fresh": Group("fresh")}
    assert remove_group(moved, "viz", move_to="other") == moved
    with pytest.raises(PerceusError, match="cannot move to itself"):
        remove_group(REGISTRY, "viz", move_to="viz")


def test_an_empty_group_goes_be_it_there_or_not() -> None:
    removed = remove_group(REGISTRY, "spare", move_to=None)
    assert list(removed.groups) == ["viz"]
    assert remove_group(removed, "spare", move_to=None) == removed


def test_a_mask_comes_with_its_reason_and_goes(config: ClusterConfig) -> None:
    masked = mask_macs(REGISTRY, ["52-54-00-00-00-66"], "storage", config)
    assert masked.masked == {"52:54:00:00:00:66": "storage"}
    assert mask_macs(masked, ["52:54:00:00:00:66"], "storage", config) == masked
    assert unmask_macs(masked, ["52:54:00:00:00:66"], config) == REGISTRY
    assert unmask_macs(REGISTRY, ["52:54:00:00:00:66"], config) == REGISTRY


def test_the_configurations_masks_are_left_to_it(config: ClusterConfig) -> None:
    configured = replace(config, masked_macs=frozenset({"52:54:00:00:00:66"}))
    assert mask_macs(REGISTRY, ["52:54:00:00:00:66"], "", configured) == REGISTRY
    with pytest.raises(PerceusError, match="Cannot unmask 52:54:00:00:00:66: the cluster's configuration masks it"):
        unmask_macs(REGISTRY, ["52:54:00:00:00:66"], configured)


def test_a_node_is_not_masked(config: ClusterConfig) -> None:
    with pytest.raises(PerceusError, match="Cannot mask 52:54:00:00:00:01: it belongs to node 'n101'"):
        mask_macs(REGISTRY, ["52:54:00:00:00:01"], "", config)
