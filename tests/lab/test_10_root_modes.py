# SPDX-License-Identifier: GPL-3.0-or-later
"""The other ways in which a node holds its image: unpacked in memory, or on an NFS server, all of it or a part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from lab import ssh

from tests.lab.conftest import wait_for

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("nodes")]

NAME = "n102"


@pytest.fixture(scope="module")
def boot(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Have n102 boot a VNFS with these options that is otherwise like debian; it boots debian again at the end."""

    def boot(vnfs: str, **options: object) -> None:
        if not cluster.on_master(f"/var/lib/perceus/vnfs/{vnfs}").exists():
            cluster.playbook("vnfs_clone", "-e", "vnfs=debian", "-e", f"to={vnfs}")
        cluster.module("vnfs", name=vnfs, **options)
        cluster.playbook("vnfs_publish", "-e", f"vnfs={vnfs}")
        assign(cluster, vnfs)
        cluster.boot(NAME)

    yield boot
    assign(cluster, "debian")
    cluster.boot(NAME)


def assign(cluster: Cluster, vnfs: str) -> None:
    cluster.playbook("nodes_set", "-e", f"nodes={NAME}", "-e", json.dumps({"set": {"vnfs": vnfs}}))
    mac = cluster.lab.machine(NAME).mac
    wait_for(lambda: f"perceus.vnfs={vnfs}" in cluster.boot_script(mac), timeout=60)


def state(cluster: Cluster) -> str:
    return str(cluster.host(NAME).run("systemctl is-system-running --wait").stdout.strip())


def without_user_attributes(found: list[dict]) -> list[dict]:
    """Kernels before 6.6 keep none in a tmpfs."""
    kept = ({k: v for k, v in file["attributes"].items() if not k.startswith("user.")} for file in found)
    return [{**file, "attributes": attributes} for file, attributes in zip(found, kept)]


def test_ram_is_one_plain_file_system_with_everything_about_a_file(cluster: Cluster, boot: Callable[..., None]) -> None:
    boot("unpacked", root_mode="ram")
    host = cluster.host(NAME)
    assert host.mount_point("/").filesystem == "tmpfs"
    assert "squashfs" not in host.file("/proc/mounts").content_string
    assert without_user_attributes(cluster.zoo(NAME)) == without_user_attributes(cluster.planted_zoo())
    assert host.check_output("runuser -u ann -- ping -c 1 -W 5 10.17.5.1 && runuser -u ann -- sudo id -u").endswith("0")
    assert state(cluster) == "running"
    cluster.module("livesync", name="unpacked", nodes=[NAME])


def test_nfs_leaves_the_image_on_the_server(cluster: Cluster, boot: Callable[..., None]) -> None:
    cluster.playbook("nfs_serve")
    assert "changed=0" in cluster.playbook("nfs_serve")
    boot("served", root_mode="nfs")
    host = cluster.host(NAME)
    assert host.mount_point("/").filesystem == "overlay"
    served = host.mount_point("/run/perceus/served")
    assert served.filesystem == "nfs4"
    assert "ro" in served.options
    assert cluster.zoo(NAME) == cluster.planted_zoo()
    assert state(cluster) == "running"
    held = int(host.check_output("awk '/^Shmem:/ {print $2}' /proc/meminfo")) * 1024
    image = json.loads(cluster.on_master("/var/lib/perceus/vnfs/served/current/image.json").read_text())
    assert held < image["files"]["rootfs.squashfs"]["size"] / 4

    # A server that is away is waited for.
    cluster.run(NAME, "echo 3 > /proc/sys/vm/drop_caches")
    cluster.run("master", "systemctl", "stop", "nfs-ganesha.service")
    cluster.run("master", "systemctl", "start", "nfs-ganesha.service")
    wait_for(lambda: ssh.answers(cluster.lab, NAME), timeout=120)
    assert cluster.zoo(NAME) == cluster.planted_zoo()
    cluster.boot(NAME)
    assert state(cluster) == "running"


def test_what_is_hybridized_comes_over_nfs_or_a_text_says_why_not(cluster: Cluster, boot: Callable[..., None]) -> None:
    cluster.playbook("nfs_serve")
    boot("hybrid", hybridize=["/usr/share/doc", "/srv/zoo"])
    host = cluster.host(NAME)
    text = host.file("/usr/share/doc/NOT-HERE.perceus")
    assert "lowerdir=/run/perceus/hybrid:/run/perceus/lower" in host.file("/proc/mounts").content_string
    assert host.file("/usr/share/doc/curl/copyright").exists
    assert not text.exists
    assert cluster.zoo(NAME) == cluster.planted_zoo()
    assert state(cluster) == "running"
    cluster.module("livesync", name="hybrid", nodes=[NAME])
    assert cluster.zoo(NAME) == cluster.planted_zoo()

    cluster.run("master", "systemctl", "stop", "nfs-ganesha.service")
    try:
        cluster.boot(NAME)
        assert "It comes from an NFS server" in text.content_string
        assert host.check_output("ls /usr/share/doc /srv/zoo").count("NOT-HERE.perceus") == 2
        assert "booting without what the image has on an NFS server" in cluster.console(NAME, 10000)
        assert state(cluster) == "running"
    finally:
        cluster.run("master", "systemctl", "start", "nfs-ganesha.service")
