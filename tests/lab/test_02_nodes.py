# SPDX-License-Identifier: GPL-3.0-or-later
"""Two bare machines that nobody knew, booted from the network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.conftest import wait_for

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

STAGES = ["fetch", "verified", "pivot", "ready"]


@pytest.fixture(params=["n101", "n102"])
def name(request: pytest.FixtureRequest, nodes: tuple[str, ...]) -> str:
    assert request.param in nodes
    return str(request.param)


@pytest.mark.usefixtures("nodes")
def test_unknown_machines_are_adopted_in_the_order_they_came(cluster: Cluster) -> None:
    registry = json.loads(cluster.on_master("/var/lib/perceus/nodes.json").read_text())
    assert [(node["name"], node["macs"], node["address"]) for node in registry["nodes"]] == [
        ("n101", ["52:54:00:17:05:01"], "10.17.5.101"),
        ("n102", ["52:54:00:17:05:02"], "10.17.5.102"),
    ]


def test_a_machine_is_adopted_within_two_seconds_of_its_first_lease(cluster: Cluster, name: str) -> None:
    mac = cluster.lab.machine(name).mac
    journal = cluster.run(
        "master",
        "journalctl",
        "--quiet",
        "-o",
        "short-unix",
        "-u",
        "dnsmasq.service",
        "-u",
        "perceus-reconcile.service",
    )
    lines = [line for line in journal.splitlines() if mac in line]
    leased, adopted = (
        next(float(line.split()[0]) for line in lines if event in line)
        for event in ("DHCPACK", f"adopted {mac} as {name}")
    )
    assert 0 <= adopted - leased < 2


def test_a_node_has_its_name_by_dhcp_by_dns_and_by_itself(cluster: Cluster, name: str) -> None:
    address = f"10.17.5.{name[1:]}"
    leases = cluster.on_master("/var/lib/misc/dnsmasq.leases").read_text().splitlines()
    assert [cluster.lab.machine(name).mac, address, name] in [line.split()[1:4] for line in leases]
    assert cluster.run(name, "hostname").strip() == name
    assert address in cluster.run(name, "resolvectl", "query", f"{name}.cluster.internal")
    assert f"{name}.cluster.internal" in cluster.run(name, "resolvectl", "query", address)
    assert cluster.run("master", "getent", "hosts", name).split()[:2] == [address, f"{name}.cluster.internal"]


@pytest.mark.usefixtures("nodes")
def test_a_registered_name_resolves_before_its_machine_has_ever_been_on(cluster: Cluster) -> None:
    query = "resolvectl --cache=no query n150.cluster.internal >/dev/null 2>&1 && echo known || echo unknown"
    new = {"name": "n150", "macs": ["52:54:00:17:05:50"], "address": "10.17.5.150", "group": "compute", "enabled": True}
    new.update(machine_id="0" * 31 + "1", adopted="2030-01-01T00:00:00Z")
    cluster.edit_registry(lambda nodes: nodes.append(new))
    wait_for(lambda: cluster.run("n101", query) == "known\n")
    cluster.edit_registry(lambda nodes: nodes.remove(new))
    wait_for(lambda: cluster.run("n101", query) == "unknown\n")


def test_a_node_reports_each_stage_of_its_boot(cluster: Cluster, name: str) -> None:
    reports = cluster.reports(name)
    assert [report["stage"] for report in reports if report["stage"] in STAGES] == STAGES
    assert len({report["boot"] for report in reports}) == 1


def test_a_node_sends_heartbeats(cluster: Cluster, name: str) -> None:
    assert cluster.run(name, "systemctl", "is-active", "perceus-heartbeat.timer").strip() == "active"
    beats = cluster.on_master("/var/log/perceus/heartbeats.log")
    before = beats.stat().st_size
    cluster.run(name, "systemctl", "start", "perceus-heartbeat.service")
    assert '"stage": "heartbeat"' in beats.read_text()[before:]


def test_the_root_is_an_overlay_on_a_squashfs_in_memory(cluster: Cluster, name: str) -> None:
    host = cluster.host(name)
    assert host.mount_point("/").filesystem == "overlay"
    mounts = host.file("/proc/mounts").content_string
    assert any(line.split()[2] == "squashfs" and "ro" in line.split()[3].split(",") for line in mounts.splitlines())
    assert "/dev/vda" not in mounts


def test_a_node_runs_without_a_failed_unit(cluster: Cluster, name: str) -> None:
    host = cluster.host(name)
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running", host.run(
        "systemctl --failed --no-legend"
    ).stdout


def test_setuid_bits_and_capabilities_arrive(cluster: Cluster, name: str) -> None:
    host = cluster.host(name)
    assert host.file("/usr/bin/sudo").mode == 0o4755
    assert "cap_net_raw=ep" in host.check_output("/sbin/getcap /usr/bin/ping")
    # A user who is not root pings by the capability, and becomes root by the setuid bit.
    host.check_output(
        "useradd --create-home tester && echo 'tester ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/tester"
        " && runuser -u tester -- ping -c 1 -W 5 10.17.5.1 && test $(runuser -u tester -- sudo id -u) = 0"
    )
    host.check_output("userdel --remove tester 2>/dev/null; rm /etc/sudoers.d/tester")


def test_only_root_speaks_for_a_node(cluster: Cluster, name: str) -> None:
    before = cluster.reports(name)
    url = cluster.run(name, "cat", "/run/perceus/report").strip()
    mac = cluster.lab.machine(name).mac
    command = f"runuser -u nobody -- curl --silent --write-out '%{{http_code}}' '{url}?stage=refused&mac={mac}'"
    assert cluster.run(name, command) == "204"
    assert cluster.reports(name) == before


def test_nothing_of_the_first_stage_stays(cluster: Cluster, name: str) -> None:
    host = cluster.host(name)
    assert not host.file("/run/initramfs").exists
    processes = host.check_output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "systemd" in processes
    assert "dracut" not in processes
    assert "perceus-root" not in processes
    # The kernel frees the initramfs' memory when its root is emptied: no file system of it is mounted any more.
    kinds = [line.split()[2] for line in host.file("/proc/mounts").content_string.splitlines()]
    assert "rootfs" not in kinds
    # The image exists once: what tmpfs holds is the image and what was written since, not the image twice.
    image = json.loads(cluster.on_master("/var/lib/perceus/vnfs/debian/current/image.json").read_text())
    held = int(host.check_output("awk '/^Shmem:/ {print $2}' /proc/meminfo")) * 1024
    assert held < image["files"]["rootfs.squashfs"]["size"] * 1.5


def test_nodes_of_one_image_differ_in_every_identity(cluster: Cluster, nodes: tuple[str, ...]) -> None:
    for what in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/proc/sys/kernel/hostname"):
        values = {cluster.run(name, "cat", what) for name in nodes}
        assert len(values) == len(nodes), what
    registry = json.loads(cluster.on_master("/var/lib/perceus/nodes.json").read_text())
    for node in registry["nodes"]:
        assert cluster.run(node["name"], "cat", "/etc/machine-id").strip() == node["machine_id"]


def test_root_cannot_log_in_by_password(cluster: Cluster, name: str) -> None:
    assert cluster.run(name, "getent", "shadow", "root").split(":")[1][0] in "!*"


def test_the_inventory_has_both_nodes_live(cluster: Cluster, nodes: tuple[str, ...]) -> None:
    inventory = cluster.inventory()
    current = cluster.on_master("/var/lib/perceus/vnfs/debian/current").readlink().name
    for group in ("nodes", "live", "group_compute", "vnfs_debian", "state_ready"):
        assert sorted(inventory[group]["hosts"]) == sorted(nodes), group
    for name in nodes:
        facts = inventory["_meta"]["hostvars"][name]
        assert facts["ansible_host"] == f"10.17.5.{name[1:]}"
        assert facts["perceus_mac"] == cluster.lab.machine(name).mac
        assert facts["perceus_generation"] == current


def test_the_summary_names_both_nodes(cluster: Cluster, nodes: tuple[str, ...]) -> None:
    output = cluster.playbook("nodes_summary")
    assert "HostName" in output
    for name in nodes:
        assert name in output
