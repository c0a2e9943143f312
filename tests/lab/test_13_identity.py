# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a node itself: its secrets, its host key over many boots, and its own disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lab import node

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")

UNIT = "[Service]\nType=oneshot\nExecStart=/bin/cp /etc/site.key /run/site.key\n"
KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
BOOTS = 10
DISK = "/dev/vda"
PARTS = ("lsblk", "--noheadings", "--output", "NAME,SIZE,PARTLABEL,PARTUUID,UUID", DISK)


@pytest.fixture
def secret(cluster: Cluster) -> Iterator[None]:
    """Both nodes have one secret, of a service that was waiting for it, and n102 another as the same file."""
    for name in ("n101", "n102"):
        cluster.run(name, f"printf '{UNIT.encode('unicode_escape').decode()}' > /run/systemd/system/site.service")
    cluster.on_master("/root/site.key").write_text("of all nodes\n")
    cluster.on_master("/root/n102.key").write_text("of n102\n")
    file = ("-e", "file=/etc/site.key")
    options = ("-e", "restart=site.service", "-e", "group=daemon", "-e", "mode=0640")
    cluster.playbook("secrets_set", *file, "-e", "scope=node", "-e", "of=n102", "-e", "src=/root/n102.key", *options)
    cluster.playbook("secrets_set", *file, "-e", "scope=all", "-e", "src=/root/site.key", *options)
    yield
    cluster.playbook("secrets_delete", *file, "-e", "scope=node", "-e", "of=n102")
    cluster.playbook("secrets_delete", *file, "-e", "scope=all")
    for name in ("n101", "n102"):
        assert not cluster.host(name).file("/etc/site.key").exists


@pytest.mark.usefixtures("secret")
def test_running_nodes_have_their_secrets(cluster: Cluster) -> None:
    for name, words in (("n101", "of all nodes\n"), ("n102", "of n102\n")):
        host = cluster.host(name)
        file = host.file("/etc/site.key")
        assert (file.is_symlink, file.content_string) == (True, words)
        lies = host.file(file.linked_to)
        assert (lies.user, lies.group, lies.mode) == ("root", "daemon", 0o640)
        assert host.mount_point("/run/perceus/secrets").filesystem == "ramfs"
        assert host.file("/run/site.key").content_string == words
    assert "site.key" in cluster.playbook("secrets_list")
    cluster.playbook("secrets_push")
    for place in ("/etc/perceus", "/var/log/perceus", "/var/lib/perceus/boot", "/var/lib/perceus/overlay-archives"):
        assert cluster.host("master").run(f"grep --recursive --binary-files=text 'of all nodes' {place}").rc == 1
    assert cluster.host("master").run("journalctl --grep 'of all nodes' --quiet").stdout == ""


def test_whoever_trusts_the_clusters_authority_knows_every_node(cluster: Cluster, nodes: tuple[str, ...]) -> None:
    cluster.run("master", "head --lines=1 /var/lib/perceus/known_hosts > /run/authority")
    strictly = "ssh -i /etc/perceus/ssh/id_ed25519 -F none -o UserKnownHostsFile=/run/authority -o BatchMode=yes"
    for name in nodes:
        assert cluster.run("master", f"{strictly} root@{name}.cluster.internal hostname").strip() == name
    another = cluster.run("master", f"{strictly} -o HostKeyAlias=n101 root@n102 true 2>&1 || true")
    assert "Host key verification failed" in another


@pytest.mark.long
def test_a_node_keeps_its_host_key_over_many_boots(cluster: Cluster) -> None:
    key = cluster.run("n101", "cat", KEY)
    boots = set()
    for _boot in range(BOOTS):
        cluster.boot("n101")
        assert cluster.run("n101", "cat", KEY) == key
        boots.add(cluster.run("n101", "cat", "/proc/sys/kernel/random/boot_id"))
    assert len(boots) == BOOTS


@pytest.fixture(scope="module")
def scratch(cluster: Cluster) -> Iterator[None]:
    """A VNFS whose nodes use their disks, and n102 told to boot it next; all is as it was afterwards."""
    cluster.module("vnfs", name="scratch", clone={"vnfs": "debian"})
    options = {"vnfs": "scratch", "node_disk_device": DISK, "node_disk_swap": 256}
    play = ("perceus.cluster.vnfs_scratch", "-e", json.dumps(options))
    cluster.ansible("ansible-playbook", *play)
    assert "changed=0 " in cluster.ansible("ansible-playbook", *play)
    cluster.module("vnfs_image", name="scratch")
    cluster.module("node", name="n102", vnfs="scratch")
    cluster.run("master", "systemctl", "start", "perceus-reconcile.service")
    yield
    cluster.module("node", name="n102", vnfs="")
    cluster.run("master", "systemctl", "start", "perceus-reconcile.service")
    machine = cluster.lab.machine("n102")
    node.stop(cluster.lab, machine)
    cluster.lab.disk(machine).unlink()
    cluster.boot("n102")
    cluster.module("vnfs", name="scratch", state="absent", force=True)


@pytest.mark.long
@pytest.mark.usefixtures("scratch")
def test_an_empty_disk_becomes_swap_and_scratch_and_stays_so(cluster: Cluster) -> None:
    cluster.boot("n102")
    host = cluster.host("n102")
    assert host.mount_point("/scratch").filesystem == "xfs"
    assert host.file("/scratch").mode == 0o1777
    assert f"{DISK}1 " in host.file("/proc/swaps").content_string
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running"
    cluster.run("n102", "echo results > /scratch/results; sync")
    parts = cluster.run("n102", *PARTS)
    cluster.boot("n102")
    assert cluster.run("n102", "cat", "/scratch/results") == "results\n"
    assert cluster.run("n102", *PARTS) == parts
    assert "disk_failed" not in cluster.inventory()


@pytest.mark.long
@pytest.mark.usefixtures("scratch")
def test_a_disk_that_bears_data_is_reported_and_left_alone_until_somebody_wipes_it(cluster: Cluster) -> None:
    cluster.run("n102", f"umount /scratch; swapoff --all; wipefs --all {DISK}; mkfs.ext4 -qFL precious {DISK}")
    cluster.boot("n102")
    host = cluster.host("n102")
    why = cluster.inventory()["_meta"]["hostvars"]["n102"]["perceus_disk_failed"]
    assert why.startswith(f"{DISK} bears other data (ext4)"), why
    assert host.run("mountpoint --quiet /scratch").rc != 0
    assert host.check_output(f"blkid --output value --match-tag LABEL {DISK}") == "precious"
    cluster.run("n102", f"wipefs --all {DISK} && systemctl restart perceus-disk")
    assert host.mount_point("/scratch").exists
    assert "disk_failed" not in cluster.inventory()


@pytest.mark.long
@pytest.mark.usefixtures("scratch")
def test_a_disk_that_is_missing_or_too_small_is_reported_and_the_node_boots(cluster: Cluster) -> None:
    machine = cluster.lab.machine("n102")
    node.stop(cluster.lab, machine)
    cluster.lab.disk(machine).unlink()
    since = cluster.log_end
    node.start(cluster.lab, replace(machine, disk=512))
    cluster.wait_for_stage("n102", "ready", since=since)
    cluster.wait_for_login("n102")
    why = cluster.inventory()["_meta"]["hostvars"]["n102"]["perceus_disk_failed"]
    assert why.startswith(f"cannot partition {DISK}: Can't fit requested partitions"), why
    cluster.run("n102", "sed -i s,/dev/vda,/dev/vdz, /etc/perceus/disk/disk.conf")
    assert cluster.host("n102").run("systemctl restart perceus-disk").rc != 0
    assert cluster.inventory()["_meta"]["hostvars"]["n102"]["perceus_disk_failed"] == "no disk /dev/vdz"
