# SPDX-License-Identifier: GPL-3.0-or-later
"""The master: what site.yml makes of a fresh Debian machine."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from lab import network

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster


def test_site_can_be_rehearsed_on_a_fresh_master(bare: Cluster) -> None:
    output = bare.playbook("site", "--check", "--diff")
    assert re.search(r"master .*\bfailed=0\b", output)
    assert re.search(r"master .*\bchanged=[1-9]", output)
    assert not bare.on_master("/etc/perceus").exists()


def test_site_refuses_a_master_without_the_interface_before_it_changes_anything(bare: Cluster) -> None:
    output = bare.playbook("site", "-e", "perceus_interface=eth7", status=2)
    assert "There is no interface eth7; there are eth0, eth1, lo." in output
    assert re.search(r"master .*\bchanged=0\b", output)


def test_no_address_of_the_lab_is_reachable_from_outside_it(bare: Cluster) -> None:
    assert network.exists(bare.lab.master)
    interfaces = subprocess.run(["ip", "-4", "-o", "address"], capture_output=True, text=True, check=True).stdout
    assert "10.17.5." not in interfaces
    routes = subprocess.run(["ip", "-4", "route", "show", "table", "all"], capture_output=True, text=True, check=True)
    assert "10.17.5." not in routes.stdout


def test_a_second_run_of_site_changes_nothing(cluster: Cluster) -> None:
    output = cluster.playbook("site")
    assert re.search(r"master .*\bchanged=0\b.*\bfailed=0\b", output), output


def test_an_unchanged_vnfs_is_not_published_again(cluster: Cluster) -> None:
    before = sorted(path.name for path in cluster.on_master("/var/lib/perceus/vnfs/debian/images").iterdir())
    output = cluster.playbook("vnfs_publish", "-e", "vnfs=debian")
    assert re.search(r"master .*\bchanged=0\b.*\bfailed=0\b", output), output
    assert before == sorted(path.name for path in cluster.on_master("/var/lib/perceus/vnfs/debian/images").iterdir())


def test_the_master_runs_without_a_failed_unit(cluster: Cluster) -> None:
    host = cluster.host("master")
    assert host.run("systemctl is-system-running").stdout.strip() == "running"
    assert host.interface("eth1").addresses[0] == "10.17.5.1"
    assert host.interface("eth0").exists


@pytest.mark.parametrize(
    "unit", ["dnsmasq.service", "nginx.service", "perceus-reconcile.path", "perceus-identity.path"]
)
def test_what_the_master_serves_with_runs_now_and_after_a_boot(cluster: Cluster, unit: str) -> None:
    service = cluster.host("master").service(unit)
    assert service.is_running
    assert service.is_enabled


def test_no_user_of_the_master_reaches_the_setuid_programs_of_a_tree(cluster: Cluster) -> None:
    host = cluster.host("master")
    sudo = "/var/lib/perceus/vnfs/debian/rootfs/usr/bin/sudo"
    assert host.run(f"test -u {sudo}").rc == 0
    assert "Permission denied" in host.run(f"runuser -u nobody -- ls {sudo}").stderr
