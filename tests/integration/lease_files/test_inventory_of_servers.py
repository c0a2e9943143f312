# SPDX-License-Identifier: GPL-3.0-or-later
"""From the lease file of each DHCP server, as the real one writes it, to registry, inventory and ``node_info``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry

from tests.integration.lease_files.servers import Machine, Server, wait_for

MACS = [f"52:54:00:00:00:{number:02x}" for number in range(1, 4)]
UNSAFE = "__ansible_unsafe"

Inventory = Callable[[], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def inventory(config: ClusterConfig, tmp_path: Path) -> Inventory:
    assert config
    source = tmp_path / "perceus.yml"
    source.write_text(f"plugin: perceus.cluster.leases\nconfig: {tmp_path / 'cluster.json'}\n")

    def inventory() -> subprocess.CompletedProcess[str]:
        argv = ["ansible-inventory", "-i", str(source), "--list"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    return inventory


def node_info(tmp_path: Path) -> dict[str, Any]:
    argv = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-o", "-m", "perceus.cluster.node_info"]
    argv += ["-a", f"config={tmp_path / 'cluster.json'}"]
    told = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    result: dict[str, Any] = json.loads(told.partition("=>")[2])
    return result


def test_a_machine_becomes_a_node_and_everybody_sees_it(
    server: Server, machine: Machine, inventory: Inventory, tmp_path: Path
) -> None:
    machine.udhcpc(MACS[0], name="busybox")
    wait_for({MACS[0]: "busybox"}, server.names)
    said: list[str] = []
    assert reconcile.run(lambda: server.config, reload=lambda: None, say=said.append) == 0
    assert f"adopted {MACS[0]} as n101 10.17.5.101" in said
    assert reconcile.run(lambda: server.config, reload=lambda: None, say=said.append) == 0
    machine.dhclient(MACS[1], name="debian")
    wait_for({MACS[0]: "busybox", MACS[1]: "debian"}, server.names)

    done = inventory()
    assert (done.returncode, done.stderr) == (0, "")
    listing = json.loads(done.stdout, object_hook=lambda value: value.get(UNSAFE, value))
    assert listing["live"]["hosts"] == ["n101", "mac-525400000002"]
    assert listing["nodes"]["hosts"] == ["n101"]
    assert listing["_meta"]["hostvars"]["n101"]["perceus_lease_name"] == "busybox"
    assert listing["_meta"]["hostvars"]["mac-525400000002"]["perceus_lease_name"] == "debian"

    told = node_info(tmp_path)
    [n101], [unknown] = told["nodes"], told["unknown"]
    assert (n101["name"], n101["live"], n101["lease_name"]) == ("n101", True, "busybox")
    assert (unknown["name"], unknown["live"], unknown["lease_name"]) == ("mac-525400000002", True, "debian")
    assert [node.macs for node in load_registry(server.config.registry).nodes] == [(MACS[0],)]


def sparse(file: Path) -> None:
    file.touch()
    os.truncate(file, 1024**3)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda file: file.unlink(missing_ok=True), "No such file or directory"),
        (lambda file: file.mkdir(), "Is a directory"),
        (os.mkfifo, "not a regular file"),
        (lambda file: file.symlink_to(file), "Too many levels of symbolic links"),
        (sparse, "more than any cluster's"),
        (lambda file: file.write_bytes(bytes(5000) + b"\n"), "written by none of dnsmasq, Kea, ISC dhcpd"),
        (lambda file: file.write_text("{}\n"), "written by none of dnsmasq, Kea, ISC dhcpd"),
        (lambda file: file.write_text("1 52:54:00:00:00:01 10.17.5.20 * *\n4"), "its last line is cut short"),
        (lambda file: file.write_text("address,duid,valid_lifetime\n"), "Kea's column 'hwaddr' is not there"),
    ],
    ids=["missing", "a folder", "a pipe", "unreadable", "1 GB", "NULs", "another file", "half a line", "IPv6 only"],
)
def test_a_source_that_cannot_be_used_is_a_failure_and_no_empty_inventory(
    inventory: Inventory, config: ClusterConfig, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(config.leases)
    done = inventory()
    told = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert why in told and "leases" in told
    assert "Traceback" not in told


def test_an_empty_file_is_an_empty_wire(inventory: Inventory, config: ClusterConfig) -> None:
    config.leases.touch()
    assert inventory().returncode == 0
