# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of one image that differ by overlays, and say what became of their scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")

FILES = [
    {"path": "files/etc/issue.j2", "content": "This is {{ '{{' }} node.name {{ '}}' }}\n"},
    {"path": "init.d/10-unit", "content": "#!/bin/sh\nln -s /dev/null /etc/systemd/system/of-init.service\n"},
    {"path": "ready.d/10-fails", "content": "#!/bin/sh\nsystemctl is-active sshd || systemctl is-active ssh\nexit 3\n"},
]


@pytest.fixture(scope="module")
def overlaid(cluster: Cluster) -> int:
    """n102 has booted with two overlays, n101 has none; the place in the report log where that began."""
    cluster.module("overlay", name="greeting", files=FILES)
    for name, scope, of in (("greeting", "node", "n102"), ("hostname", "node", "n102")):
        assert "n102" in cluster.module("overlay", name=name, state="active", scope=scope, of=of)
    cluster.run("master", "systemctl", "start", "perceus-reconcile.service")
    since = cluster.power_cycle("n102")
    cluster.wait_for_stage("n102", "ready", since=since)
    cluster.wait_for_stage("n102", "script_failed", since=since)
    cluster.wait_for_login("n102")
    return since


@pytest.mark.usefixtures("overlaid")
def test_files_are_on_the_node_that_gets_them_and_no_other(cluster: Cluster) -> None:
    assert cluster.run("n102", "cat", "/etc/issue", "/etc/hostname") == "This is n102\nn102\n"
    assert "This is" not in cluster.run("n101", "cat", "/etc/issue")


def test_scripts_ran_before_systemd_and_after(cluster: Cluster, overlaid: int) -> None:
    assert cluster.run("n102", "systemctl", "show", "--property=LoadState", "--value", "of-init.service") == "masked\n"
    told = [(report["stage"], report["detail"].replace("+", " ")) for report in cluster.reports("n102", overlaid)]
    assert ("script", "init.d/10-unit: exit status 0") in told
    assert told.index(("script", "init.d/10-unit: exit status 0")) < told.index(("pivot", ""))
    assert ("script_failed", "ready.d/10-fails: exit status 3: active") in told
    hosts = cluster.inventory()
    assert hosts["script_failed"]["hosts"] == ["n102"]
    assert "n102" in hosts["state_ready"]["hosts"]


@pytest.mark.usefixtures("overlaid")
def test_a_livesync_leaves_them_alone(cluster: Cluster) -> None:
    cluster.module("livesync", name="debian", nodes=["n102"])
    assert cluster.run("n102", "cat", "/etc/issue") == "This is n102\n"
