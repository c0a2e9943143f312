# SPDX-License-Identifier: GPL-3.0-or-later
"""A node boots the image it was promised, or none; and after a reboot it is the machine that it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")


def test_a_flipped_byte_is_refused_until_it_is_mended(cluster: Cluster) -> None:
    key = cluster.run("n102", "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    machine_id = cluster.run("n102", "cat", "/etc/machine-id")
    image = cluster.on_master("/var/lib/perceus/vnfs/debian/current/rootfs.squashfs")
    _flip(image, image.stat().st_size // 2)
    try:
        since = cluster.power_cycle("n102")
        refused = cluster.wait_for_stage("n102", "refused", since=since)
        assert not any(report["stage"] in ("verified", "pivot", "ready") for report in cluster.reports("n102", since))
        assert "wanted" in refused["detail"]
        assert "got" in refused["detail"]
        assert "perceus: refused the image" in cluster.console("n102")
    finally:
        _flip(image, image.stat().st_size // 2)
    cluster.wait_for_stage("n102", "ready", since=since)
    cluster.wait_for_login("n102")
    assert cluster.run("n102", "cat", "/etc/ssh/ssh_host_ed25519_key.pub") == key
    assert cluster.run("n102", "cat", "/etc/machine-id") == machine_id


def _flip(image: object, position: int) -> None:
    with open(str(image), "r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ 0xFF]))
