# SPDX-License-Identifier: GPL-3.0-or-later
"""Livesync: after it, a node is what a reboot would have made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")

# Everything on the root file system that comes from the image: all but what a node makes for itself while it runs,
# the copies of useradd(8) among it.
NODE_LOCAL = (
    "/etc/*-",
    "/etc/machine-id",
    "/etc/ssh/ssh_host_*",
    "/var/log/*",
    "/var/lib/systemd/*",
    "/var/tmp/*",
    "/tmp/*",
)
PRUNE = " -o ".join(f"-path '{path}'" for path in NODE_LOCAL)
METADATA = rf"find / -xdev \( {PRUNE} \) -prune -o -printf '%p %y %m %U %G %l\n'"
CONTENT = rf"find / -xdev \( {PRUNE} \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum"
CAPABILITIES = "getcap -r /usr 2>/dev/null"
FEWEST_LINES = {METADATA: 5000, CONTENT: 4000, CAPABILITIES: 1}  # fewer means that the comparison looked at nothing


def test_a_livesynced_node_equals_a_freshly_booted_one(cluster: Cluster) -> None:
    cluster.module("vnfs_command", name="debian", argv=["apt-get", "install", "--yes", "--quiet", "less"])
    rootfs = cluster.on_master("/var/lib/perceus/vnfs/debian/rootfs")
    (rootfs / "etc/motd").unlink()
    (rootfs / "etc/perceus-change").write_text("changed on the master\n")
    cluster.playbook("vnfs_publish", "-e", "vnfs=debian")
    generation = cluster.on_master("/var/lib/perceus/vnfs/debian/current").readlink().name

    since = cluster.power_cycle("n102")
    cluster.playbook("livesync", "-e", "vnfs=debian", "-e", "nodes=n101")
    assert cluster.run("n101", "cat", "/etc/perceus-change") == "changed on the master\n"
    assert cluster.run("n101", "less", "--version")
    assert cluster.inventory()["_meta"]["hostvars"]["n101"]["perceus_generation"] == generation

    cluster.wait_for_stage("n102", "ready", since=since)
    cluster.wait_for_login("n102")
    for what in FEWEST_LINES:
        synced, booted = (_lines(cluster, name, what) for name in ("n101", "n102"))
        assert synced == booted, "\n".join(sorted(synced ^ booted)[:40])
    assert cluster.run("n101", "systemctl", "is-system-running").strip() == "running"


def test_a_second_livesync_changes_nothing(cluster: Cluster) -> None:
    output = cluster.playbook("livesync", "-e", "vnfs=debian")
    assert "changed=0" in output


def _lines(cluster: Cluster, name: str, command: str) -> set[str]:
    lines = set(cluster.run(name, command).splitlines())
    assert len(lines) >= FEWEST_LINES[command]
    return lines
