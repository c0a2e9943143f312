# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Effective, Group, Node, Registry

N9 = Node(
    name="n9",
    macs=("52:54:00:00:00:09",),
    address=IPv4Address("10.17.5.9"),
    group="compute",
    enabled=True,
    machine_id="0" * 31 + "9",
    adopted="2030-01-01T00:00:00Z",
)
N10 = replace(N9, name="n10", macs=("52:54:00:00:00:10", "52:54:00:00:01:10"), address=IPv4Address("10.17.5.10"))
REGISTRY = Registry({"compute": Group("compute", "debian"), "spare": Group("spare")}, (N9, N10))


@pytest.mark.parametrize(
    ("node", "effective"),
    [
        (replace(N9, vnfs="own"), Effective("own", "node")),
        (N9, Effective("debian", "group")),
        (replace(N9, group="spare"), Effective("fallback", "default")),
        (replace(N9, group="nobody"), Effective("fallback", "default")),
    ],
)
def test_a_vnfs_comes_from_node_group_or_default(node: Node, effective: Effective) -> None:
    assert REGISTRY.effective_vnfs(node, default="fallback") == effective


@pytest.mark.parametrize(
    ("node", "effective"),
    [(replace(N9, boot="disk"), Effective("disk", "node")), (N9, Effective("image", "default"))],
)
def test_a_node_boots_its_image_unless_told_otherwise(node: Node, effective: Effective) -> None:
    assert REGISTRY.effective_boot(node) == effective


def test_boot_target_and_console_are_policy_of_the_group() -> None:
    registry = Registry({"compute": Group("compute", boot="local", console="ttyS1")}, (N9,))
    assert registry.effective_boot(N9) == Effective("local", "group")
    assert registry.effective_console(N9, default="tty0") == Effective("ttyS1", "group")
    own = replace(N9, console="ttyS0,115200")
    assert registry.effective_console(own, default="tty0") == Effective("ttyS0,115200", "node")


def test_kernel_arguments_add_up_from_cluster_to_node(config: ClusterConfig) -> None:
    registry = Registry({"compute": Group("compute", kernel_args="from=group")}, (N9,))
    assert registry.added_kernel_args(replace(N9, kernel_args="from=node"), config) == (
        Effective("from=cluster", "default"),
        Effective("from=group", "group"),
        Effective("from=node", "node"),
    )
    assert registry.added_kernel_args(replace(N9, group="nobody"), config) == (Effective("from=cluster", "default"),)


def test_every_mac_finds_its_node() -> None:
    assert {mac: node.name for mac, node in REGISTRY.by_mac.items()} == {
        "52:54:00:00:00:09": "n9",
        "52:54:00:00:00:10": "n10",
        "52:54:00:00:01:10": "n10",
    }
    assert REGISTRY.addresses["52:54:00:00:01:10"] == IPv4Address("10.17.5.10")


def test_a_node_with_a_taken_address_is_not_registered() -> None:
    twin = replace(N9, name="n11", macs=("52:54:00:00:00:11",))
    with pytest.raises(PerceusError, match=r"register node 'n11': address 10\.17\.5\.9 belongs to node 'n9' already"):
        REGISTRY.with_nodes([twin])


def test_a_masked_machine_is_not_registered() -> None:
    masked = replace(REGISTRY, masked={"52:54:00:00:00:11": "storage"})
    with pytest.raises(PerceusError, match="register node 'n11': MAC 52:54:00:00:00:11 is masked"):
        masked.with_nodes([replace(N9, name="n11", macs=("52:54:00:00:00:11",), address=IPv4Address("10.17.5.11"))])


def test_what_else_is_in_the_registry_stays_when_nodes_come() -> None:
    masked = replace(REGISTRY, nodes=(N10,), masked={"52:54:00:00:00:11": "storage"})
    assert masked.with_nodes([N9]) == replace(masked, nodes=(N9, N10))
