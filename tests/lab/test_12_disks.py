# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that is installed on its disks, by firmware and layout, and what becomes of it then."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from lab import node

if TYPE_CHECKING:
    from testinfra.host import Host

    from tests.lab.conftest import Cluster

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("nodes")]

NAME, VNFS = "n101", "stateful"
PACKAGES = ["dosfstools", "e2fsprogs", "xfsprogs", "mdadm", "grub2-common", "grub-pc-bin", "grub-efi-amd64-bin"]
INSTALLATION = 900  # seconds from power-on to the login on the installed node


@pytest.fixture(scope="module")
def stateful(cluster: Cluster) -> Iterator[Cluster]:
    """A VNFS like debian that is installed on disks, for n101, whose disks are blank; it boots debian at the end."""
    cluster.playbook("vnfs_clone", "-e", f"vnfs=debian to={VNFS}")
    recipe = json.loads(cluster.on_master("/var/lib/perceus/vnfs/debian/current/packages.json").read_text())
    assert recipe["kind"] == "deb"
    cluster.module("vnfs", name=VNFS, packages=["sudo", "iputils-ping", "libcap2-bin", *PACKAGES], root_mode="disk")
    cluster.playbook("vnfs_publish", "-e", f"vnfs={VNFS}")
    _assign(cluster, VNFS)
    yield cluster
    node.stop(cluster.lab, cluster.lab.machine(NAME))
    _blank(cluster)
    _assign(cluster, "debian")
    cluster.boot(NAME)


def test_a_bios_machine_is_installed_and_boots_from_its_disk_alone(stateful: Cluster) -> None:
    host = _install(stateful)
    assert host.mount_point("/").filesystem == "ext4"
    assert "rw" in host.mount_point("/").options
    assert not host.file("/sys/firmware/efi").exists
    assert stateful.zoo(NAME) == stateful.planted_zoo()
    host.check_output("touch /root/stays")
    _boot_again(stateful)
    assert host.file("/root/stays").exists
    assert stateful.inventory()["_meta"]["hostvars"][NAME]["perceus_state"] == "ready"


def test_a_livesync_renews_what_it_boots_and_leaves_what_is_its_own(stateful: Cluster) -> None:
    stateful.module("vnfs_command", name=VNFS, argv=["sh", "-c", "echo renewed > /etc/motd"])
    stateful.playbook("vnfs_publish", "-e", f"vnfs={VNFS}")
    stateful.module("livesync", name=VNFS, nodes=[NAME])
    generation = stateful.run(NAME, "cat", "/run/perceus/generation")
    _boot_again(stateful)
    assert stateful.run(NAME, "cat", "/etc/motd") == "renewed\n"
    assert stateful.run(NAME, "cat", "/run/perceus/generation") == generation
    assert "/ ext4" in stateful.run(NAME, "cat", "/etc/fstab")


def test_an_installed_machine_is_installed_anew_by_order_only(stateful: Cluster) -> None:
    stateful.playbook("nodes_reinstall", "-e", f"nodes={NAME}")
    host = _install(stateful, blank=False)
    assert not host.file("/root/stays").exists


def test_a_uefi_machine_is_installed_with_xfs_swap_and_data(stateful: Cluster) -> None:
    _lay_out(stateful, {"filesystem": "xfs", "swap": 128, "root": 1400, "data": "/srv/data"})
    host = _install(stateful, firmware="uefi")
    assert host.file("/sys/firmware/efi").exists
    assert {host.mount_point(place).filesystem for place in ("/", "/srv/data")} == {"xfs"}
    assert "partition" in host.file("/proc/swaps").content_string
    _boot_again(stateful, firmware="uefi")


def test_a_raid_boots_without_one_of_its_disks(stateful: Cluster) -> None:
    _lay_out(stateful, {"disks": [f"serial={NAME}-1", f"serial={NAME}-2"]})
    host = _install(stateful, disks=2)
    assert host.check_output("findmnt --noheadings --output SOURCE /").startswith("/dev/md")
    assert host.file("/proc/mdstat").contains("raid1")
    _boot_again(stateful, disks=1)
    assert host.file("/proc/mdstat").contains(r"\[U_\]")


def _assign(cluster: Cluster, vnfs: str) -> None:
    cluster.playbook("nodes_set", "-e", f"nodes={NAME}", "-e", json.dumps({"set": {"vnfs": vnfs}}))


def _lay_out(cluster: Cluster, disk: dict[str, Any]) -> None:
    cluster.module("vnfs", name=VNFS, overrides={"nodes": {NAME: {"disk": disk}}})


def _blank(cluster: Cluster) -> None:
    for number in (1, 2):
        cluster.lab.disk(cluster.lab.machine(NAME), number).unlink(missing_ok=True)


def _install(cluster: Cluster, *, blank: bool = True, **hardware: Any) -> Host:
    """Install the node, on blank disks unless it is ordered, and wait until it has booted from them."""
    if blank:
        node.stop(cluster.lab, cluster.lab.machine(NAME))
        _blank(cluster)
        cluster.run("master", "systemctl", "start", "perceus-reconcile.service")
    since = cluster.power_cycle(NAME, **hardware)
    cluster.wait_for_stage(NAME, "installed", since=since, timeout=INSTALLATION)
    cluster.wait_for_stage(NAME, "ready", since=since, timeout=INSTALLATION)
    cluster.wait_for_login(NAME)
    return _healthy(cluster)


def _boot_again(cluster: Cluster, **hardware: Any) -> None:
    time.sleep(5)  # what was written is on the disk
    since = cluster.boot(NAME, **hardware)
    assert "fetch" not in [report["stage"] for report in cluster.reports(NAME, since)]
    _healthy(cluster)


def _healthy(cluster: Cluster) -> Host:
    host = cluster.host(NAME)
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running"
    assert "perceus.root=local" in host.file("/proc/cmdline").content_string
    return host
