# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory does not shrink while a real dnsmasq rewrites its lease file in place."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import load_machines

MACHINES = 1000
READS = 500


@pytest.fixture
def addresses(config: ClusterConfig) -> dict[str, str]:
    """The machines' addresses by MAC."""
    return {
        f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}": str(config.discovery_range.first + number)
        for number in range(MACHINES)
    }


@pytest.fixture
def known_leases(addresses: dict[str, str]) -> str:
    expiry = int(time.time()) + 3600
    return "".join(f"{expiry} {mac} {address} * *\n" for mac, address in addresses.items())


@contextmanager
def rewriting(clients: Any, addresses: dict[str, str]) -> Iterator[list[int]]:
    """Have machines renew their leases without a pause; each renewal makes dnsmasq rewrite its whole file."""
    stop = threading.Event()
    renewals = [0]

    def renew() -> None:
        for mac, address in itertools.cycle(addresses.items()):
            if stop.is_set():
                return
            assert clients.renew(mac, address).address == address
            renewals[0] += 1

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield renewals
    finally:
        stop.set()
        thread.join(timeout=10)


@pytest.mark.usefixtures("dnsmasq")
def test_500_reads_never_miss_a_machine(
    addresses: dict[str, str], clients: Any, config: ClusterConfig, tmp_path: Path
) -> None:
    lines_seen: list[int] = []
    with rewriting(clients, addresses) as renewals:
        for _read in range(READS):
            lines_seen.append(config.leases.read_bytes().count(b"\n"))
            machines = load_machines(tmp_path / "cluster.json")
            assert {machine.facts["mac"] for machine in machines.unknown} == addresses.keys()
            assert machines.warnings == ()
        assert renewals[0] > READS, "dnsmasq did not rewrite its file often enough"
    assert min(lines_seen) < MACHINES, "no plain read was torn: this test proved nothing"


@pytest.mark.usefixtures("dnsmasq")
def test_ansible_sees_every_machine_meanwhile(addresses: dict[str, str], clients: Any, tmp_path: Path) -> None:
    source = tmp_path / "perceus.yml"
    source.write_text(f"plugin: perceus.cluster.leases\nconfig: {tmp_path / 'cluster.json'}\n")
    with rewriting(clients, addresses):
        for _read in range(3):
            listing = subprocess.run(
                ["ansible-inventory", "-i", source, "--list"], stdout=subprocess.PIPE, check=True, timeout=60
            )
            assert len(json.loads(listing.stdout)["unknown"]["hosts"]) == MACHINES
