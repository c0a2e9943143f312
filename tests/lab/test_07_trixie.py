# SPDX-License-Identifier: GPL-3.0-or-later
"""Another release of the distribution, on one node only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.conftest import wait_for

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
    wait_for(lambda: "perceus.vnfs=trixie" in cluster.boot_script(cluster.lab.machine("n102").mac), timeout=30)

    cluster.boot("n102")
    assert "VERSION_CODENAME=trixie" in cluster.run("n102", "cat", "/etc/os-release").splitlines()
    assert cluster.run("n102", "systemctl", "is-system-running", "--wait").strip() == "running"
    assert cluster.inventory()["vnfs_trixie"]["hosts"] == ["n102"]
