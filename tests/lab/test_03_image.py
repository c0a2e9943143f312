# SPDX-License-Identifier: GPL-3.0-or-later
"""A node boots the image it was promised, or none; and after a reboot it is the machine that it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")


def test_everything_about_a_file_is_on_a_booted_node(cluster: Cluster) -> None:
    assert cluster.zoo("n101") == cluster.planted_zoo()


def test_a_user_of_a_node_can_become_root_and_ping(cluster: Cluster) -> None:
    assert cluster.run("n101", "runuser", "-u", "ann", "--", "sudo", "--non-interactive", "id", "-u") == "0\n"
    assert cluster.run("n101", "getcap", "/usr/bin/ping") == "/usr/bin/ping cap_net_raw=ep\n"
    assert " 0% packet loss" in cluster.run("n101", "runuser", "-u", "ann", "--", "ping", "-c", "1", "10.17.5.1")


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
        assert "perceus: the image cannot be had from 10.17.5.1: wanted" in cluster.console("n102")
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
