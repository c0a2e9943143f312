# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconciler beside a real dnsmasq: what a machine on the wire gets, and what DNS says of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import CommandError
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry, save_registry

MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
NAME = "n101.cluster.internal"

Run = Callable[[], list[str]]


@pytest.fixture
def run(config: ClusterConfig, dnsmasq: Any) -> Run:
    """Run the reconciler and return the lines of its journal. dnsmasq is told by signal: here is no systemd."""

    def run() -> list[str]:
        said: list[str] = []
        assert reconcile.run(lambda: config, reload=dnsmasq.reload, say=said.append) == 0
        return said

    return run


def change_nodes(config: ClusterConfig, change: Callable[[Node], Node | None]) -> None:
    """Edit the registry as an administrator would: ``change`` returns the node to keep, or None."""
    registry = load_registry(config.registry)
    kept = [changed for node in registry.nodes if (changed := change(node)) is not None]
    save_registry(config.registry, Registry(registry.groups, tuple(kept)))


def wait_for(wanted: Any, look: Callable[[], Any]) -> None:
    """Give dnsmasq the moment that it needs to notice a file."""
    deadline = time.monotonic() + 2
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, f"{seen!r} is not {wanted!r}"
        time.sleep(0.02)


def snapshot(config: ClusterConfig) -> dict[Path, tuple[bytes, int]]:
    """Return content and time of every file that the reconciler keeps."""
    folders = [config.state_dir / name for name in ("boot", "dnsmasq")]
    files = [config.registry, *(path for folder in folders for path in folder.iterdir())]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_an_unknown_machine_becomes_a_node_within_two_seconds(run: Run, clients: Any, config: ClusterConfig) -> None:
    assert IPv4Address(clients.boot(MAC).address) in config.discovery_range
    lent = time.monotonic()
    assert "adopted 52:54:00:00:00:01 as n101 10.17.5.101" in run()
    assert (config.state_dir / "boot" / "52-54-00-00-00-01.ipxe").exists()
    wait_for("10.17.5.101", lambda: clients.boot(MAC).address)
    assert time.monotonic() - lent < 2


def test_the_registry_names_a_node_and_its_client_does_not(run: Run, clients: Any, dnsmasq: Any) -> None:
    clients.boot(MAC, name="n102")
    run()
    wait_for(["10.17.5.101"], lambda: dnsmasq.look_up(NAME))
    assert clients.boot(MAC, name="n102").host_name == "n101"
    assert dnsmasq.look_up("n102.cluster.internal") == []


def test_a_second_run_changes_nothing(run: Run, clients: Any, config: ClusterConfig) -> None:
    for mac in (MAC, OTHER_MAC):
        clients.boot(mac)
    run()
    before = snapshot(config)
    assert run() == []
    assert snapshot(config) == before


def test_a_changed_address_is_served_and_the_old_name_forgotten(
    run: Run, clients: Any, dnsmasq: Any, config: ClusterConfig
) -> None:
    clients.boot(MAC)
    run()
    wait_for(["10.17.5.101"], lambda: dnsmasq.look_up(NAME))
    change_nodes(config, lambda node: replace(node, name="n150", address=IPv4Address("10.17.5.150")))
    run()
    wait_for([], lambda: dnsmasq.look_up(NAME))
    wait_for(["10.17.5.150"], lambda: dnsmasq.look_up("n150.cluster.internal"))
    assert clients.boot(MAC).address == "10.17.5.150"


def test_a_removed_node_leaves_no_file_and_no_name(run: Run, clients: Any, dnsmasq: Any, config: ClusterConfig) -> None:
    clients.boot(MAC)
    run()
    wait_for(["10.17.5.101"], lambda: dnsmasq.look_up(NAME))
    change_nodes(config, lambda _node: None)
    off = replace(config, adoption="off")
    assert reconcile.run(lambda: off, reload=dnsmasq.reload, say=lambda _line: None) == 0
    wait_for([], lambda: dnsmasq.look_up(NAME))
    assert {path.name for path in snapshot(config)} == {
        "nodes.json",
        "dhcp-hosts",
        "dns-hosts",
        "start.ipxe",
        "default.ipxe",
    }
    assert IPv4Address(clients.boot(MAC).address) in config.discovery_range


def test_dnsmasq_is_told_by_the_next_run_when_one_could_not_tell_it(
    run: Run, clients: Any, dnsmasq: Any, config: ClusterConfig
) -> None:
    def fail() -> None:
        raise CommandError("Cannot run 'systemctl': not found")

    clients.boot(MAC)
    run()
    wait_for(["10.17.5.101"], lambda: dnsmasq.look_up(NAME))
    change_nodes(config, lambda node: replace(node, name="n150", address=IPv4Address("10.17.5.150")))
    assert reconcile.run(lambda: config, reload=fail, say=lambda _line: None) == 1
    assert dnsmasq.look_up(NAME) == ["10.17.5.101"]
    assert run() == []
    wait_for([], lambda: dnsmasq.look_up(NAME))


def test_a_storm_of_machines_is_adopted_in_one_run(run: Run, clients: Any, config: ClusterConfig) -> None:
    macs = [f"52:54:00:00:01:{number:02x}" for number in range(150)]
    for mac in macs:
        clients.boot(mac)
    run()
    registry = load_registry(config.registry)
    assert {node.macs[0] for node in registry.nodes} == set(macs)
    assert [int(node.address) - int(config.node_range.first) for node in registry.nodes] == list(range(150))
