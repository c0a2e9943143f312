# SPDX-License-Identifier: GPL-3.0-or-later
"""Another release of the distribution, on one node only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster


@pytest.mark.long
@pytest.mark.usefixtures("nodes")
def test_a_node_with_a_vnfs_of_its_own_boots_that(cluster: Cluster) -> None:
    key = cluster.on_master("/etc/perceus/ssh/id_ed25519.pub").read_text().strip()
    cluster.module(
        "vnfs",
        name="trixie",
        mmdebstrap={"suite": "trixie"},
        kernel_package="linux-image-cloud-amd64",
        packages=["sudo"],
        authorized_keys=[key],
    )
    cluster.module("vnfs_image", name="trixie")
    cluster.edit_registry(lambda nodes: next(node for node in nodes if node["name"] == "n102").update(vnfs="trixie"))
    script = cluster.on_master(f"/var/lib/perceus/boot/{cluster.lab.machine('n102').mac.replace(':', '-')}.ipxe")
    deadline = time.monotonic() + 30
    while "perceus.vnfs=trixie" not in script.read_text():
        assert time.monotonic() < deadline, "the reconciler did not follow the registry"
        time.sleep(0.2)

    since = cluster.power_cycle("n102")
    cluster.wait_for_stage("n102", "ready", since=since)
    cluster.wait_for_login("n102")
    assert "VERSION_CODENAME=trixie" in cluster.run("n102", "cat", "/etc/os-release").splitlines()
    assert cluster.run("n102", "systemctl", "is-system-running", "--wait").strip() == "running"
    assert cluster.inventory()["vnfs_trixie"]["hosts"] == ["n102"]
