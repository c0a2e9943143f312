# SPDX-License-Identifier: GPL-3.0-or-later
"""The session of the site's report: a test group gets a new VNFS, and nodes come, are replaced, masked and go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.conftest import wait_for

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")

OLD, NEW = "52:54:00:17:05:40", "52:54:00:17:05:41"  # machines that are never on


def summary(cluster: Cluster) -> dict[str, list[str]]:
    """What nodes_summary prints of each node: group, whether it is enabled, VNFS."""
    rows = [line.strip(' ",').split() for line in cluster.playbook("nodes_summary").splitlines()]
    return {row[0]: row[1:4] for row in rows if row and row[0].startswith("n1")}


def dnsmasq(cluster: Cluster, file: str) -> str:
    return cluster.on_master(f"/var/lib/perceus/dnsmasq/{file}").read_text()


def resolves(cluster: Cluster, name: str) -> bool:
    query = f"resolvectl --cache=no query {name}.cluster.internal >/dev/null 2>&1 && echo known || echo unknown"
    return cluster.run("n101", query) == "known\n"


def test_a_node_that_is_moved_to_another_group_boots_that_groups_vnfs(cluster: Cluster) -> None:
    assert summary(cluster) == {"n101": ["compute", "yes", "debian"], "n102": ["compute", "yes", "debian"]}
    cluster.playbook("vnfs_clone", "-e", "vnfs=debian", "-e", "to=deb7")
    cluster.module("vnfs_command", name="deb7", argv=["touch", "/etc/deb7"])
    cluster.playbook("vnfs_publish", "-e", "vnfs=deb7")

    assert "n102" in cluster.playbook("nodes_set", "-e", "nodes=n102", "-e", json.dumps({"set": {"group": "debian7"}}))
    assert summary(cluster)["n102"] == ["debian7", "yes", "debian"]
    cluster.playbook("groups_set", "-e", "group=debian7", "-e", json.dumps({"set": {"vnfs": "deb7"}}))
    assert summary(cluster) == {"n101": ["compute", "yes", "debian"], "n102": ["debian7", "yes", "deb7"]}
    wait_for(lambda: "perceus.vnfs=deb7" in cluster.boot_script(cluster.lab.machine("n102").mac))

    cluster.boot("n102")
    assert cluster.run("n102", "cat /run/perceus/vnfs; ls /etc/deb7").split() == ["deb7", "/etc/deb7"]
    groups = cluster.inventory()
    assert groups["group_debian7"]["hosts"] == groups["vnfs_deb7"]["hosts"] == ["n102"]


def test_a_node_is_added_replaced_and_deleted_and_all_that_follows_with_it(cluster: Cluster) -> None:
    cluster.playbook("nodes_add", "-e", f"mac={OLD}", "-e", "node=n140")
    wait_for(lambda: "perceus.node=n140" in cluster.boot_script(OLD))
    wait_for(lambda: resolves(cluster, "n140"))

    cluster.playbook("nodes_replace", "-e", "old=n140", "-e", f"new={NEW}")
    wait_for(lambda: "perceus.node=n140" in cluster.boot_script(NEW))
    assert cluster.boot_script(OLD) == ""
    assert OLD not in dnsmasq(cluster, "dhcp-hosts")

    cluster.playbook("nodes_delete", "-e", "nodes=n140", status=2)  # not confirmed
    assert summary(cluster)["n140"][1] == "yes"
    cluster.playbook("nodes_delete", "-e", "nodes=n140", "-e", "confirm=yes")
    wait_for(lambda: not resolves(cluster, "n140"))
    assert cluster.boot_script(NEW) == ""
    assert NEW not in dnsmasq(cluster, "dhcp-hosts")


def test_a_masked_machine_is_left_to_others(cluster: Cluster) -> None:
    cluster.playbook("nodes_mask", "-e", f"mac={OLD}", "-e", "reason=of the storage")
    wait_for(lambda: f"{OLD},ignore" in dnsmasq(cluster, "dhcp-hosts"))
    cluster.playbook("nodes_add", "-e", f"mac={OLD}", status=2)
    cluster.playbook("nodes_mask", "-e", f"mac={OLD}", "-e", "mask=false")
    wait_for(lambda: OLD not in dnsmasq(cluster, "dhcp-hosts"))


def test_the_number_of_a_deleted_node_is_the_next_one_given(cluster: Cluster) -> None:
    """The machine is not adopted again by the lease that it holds, but by the next: when it is switched on again."""
    mac = cluster.lab.machine("n102").mac
    cluster.playbook("nodes_delete", "-e", "nodes=n102", "-e", "confirm=yes")
    wait_for(lambda: cluster.boot_script(mac) == "")
    assert list(summary(cluster)) == ["n101"]
    since = cluster.power_cycle("n102")
    cluster.wait_for_stage("n102", "ready", since=since)
    assert summary(cluster)["n102"] == ["compute", "yes", "debian"]
