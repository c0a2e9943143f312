# SPDX-License-Identifier: GPL-3.0-or-later
"""A master on the wire: dnsmasq, nginx and the reconciler, configured by the roles' own templates; and machines."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig, parse_config
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.record import Record, load_all
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry, save_registry

from tests.wire import Reconciler


@dataclass(frozen=True)
class Master(Reconciler):
    """The reconciler in the master's namespace, and what it keeps."""

    def change(self, **settings: Any) -> None:
        """Have the reconciler's next runs find other settings."""
        file = self.config.state_dir.parent / "cluster.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))

    def register(self, name: str, mac: str) -> None:
        """Make a machine a node, as an operator would; the address is that of the name's number."""
        address = self.config.address_of(int(name[1:]))
        node = Node(name, (mac,), address, "compute", True, "0" * 32, "2030-01-01T00:00:00Z")
        save_registry(self.config.registry, self.registry().with_nodes([node]))

    @staticmethod
    def wait_for(wanted: Any, look: Callable[[], Any], *, patience: float = 2) -> None:
        """Give daemons the moment that they need to see what changed."""
        deadline = time.monotonic() + patience
        while (seen := look()) != wanted:
            assert time.monotonic() < deadline, f"{seen!r} is not {wanted!r}"
            time.sleep(0.02)

    def registry(self) -> Registry:
        return load_registry(self.config.registry)

    def names(self) -> dict[str, str]:
        """The nodes' names by MAC."""
        return {mac: node.name for mac, node in self.registry().by_mac.items()}

    def record(self) -> Record:
        return load_all(self.config)

    def alarms(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Kind, MACs and nodes of each alarm."""
        return [(alarm.kind, alarm.macs, alarm.nodes) for alarm in self.record().alarms]


@pytest.fixture
def settings() -> dict[str, Any]:
    """What a test's cluster has otherwise than others."""
    return {}


@pytest.fixture
def config(config: ClusterConfig, settings: dict[str, Any]) -> ClusterConfig:
    file = config.state_dir.parent / "cluster.json"
    text = json.dumps({**json.loads(file.read_text()), **settings})
    file.write_text(text)
    return parse_config(text)


@pytest.fixture
def master(wire: Any, config: ClusterConfig, dnsmasq: Any) -> Master:
    return Master(wire, config, dnsmasq)


@dataclass(frozen=True)
class Bridge:
    """A switch at the nodes' end of the wire, which is the interface ``bridge`` there."""

    nodes: Any
    name: str = "bridge"

    def plug(self, name: str) -> None:
        self.nodes.ip("link", "set", name, "master", self.name, "up")


@pytest.fixture
def bridge(wire: Any) -> Bridge:
    wire.nodes.ip("link", "add", "bridge", "type", "bridge", "forward_delay", "0")
    wire.nodes.ip("link", "set", "bridge", "up")
    switch = Bridge(wire.nodes)
    switch.plug("eth0")
    return switch


@pytest.fixture
def site_server(wire: Any, site: Any, bridge: Bridge, tmp_path: Path) -> Iterator[Path]:
    """The DHCP server of a network that is not ours, ISC's, which lends 10.17.90.1 to 10.17.90.50; its lease file."""
    wire.nodes.ip("link", "add", "site", "type", "veth", "peer", "name", "eth0", "netns", str(site.pid))
    bridge.plug("site")
    site.ip("address", "add", "10.17.0.2/16", "dev", "eth0")
    site.ip("link", "set", "eth0", "up")
    configuration, leases, log = (tmp_path / name for name in ("dhcpd.conf", "dhcpd.leases", "dhcpd.log"))
    configuration.write_text("ping-check false; subnet 10.17.0.0 netmask 255.255.0.0 { range 10.17.90.1 10.17.90.50; }")
    leases.touch()
    argv = [
        "dhcpd",
        "-4",
        "-f",
        "-cf",
        str(configuration),
        "-lf",
        str(leases),
        "-pf",
        str(tmp_path / "dhcpd.pid"),
        "eth0",
    ]
    with log.open("wb") as errors:
        running = subprocess.Popen(site.command(*argv), stderr=errors)
    try:
        deadline = time.monotonic() + 10
        while "fallback-net" not in log.read_text():
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield leases
    finally:
        running.terminate()
        running.wait(timeout=10)


@pytest.fixture
def ask(wire: Any, config: ClusterConfig, nginx: Path) -> Callable[..., int]:
    """Ask for a boot script from ``address``, as iPXE does, and return the HTTP status."""

    def ask(mac: str, address: str, **hardware: str) -> int:
        said = urlencode(
            {"mac": mac, "uuid": "", "manufacturer": "", "product": "", "serial": "", **hardware}, quote_via=quote
        )
        url = config.boot_url(f"{mac.replace(':', '-')}.ipxe?{said}")
        wire.nodes.ip("address", "replace", f"{address}/16", "dev", "eth0")
        try:
            got = subprocess.run(
                wire.nodes.command(
                    "curl", "--silent", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}", url
                ),
                stdout=subprocess.PIPE,
                check=False,
            )
            assert got.returncode == 0, nginx.read_text()
        finally:
            wire.nodes.ip("address", "delete", f"{address}/16", "dev", "eth0")
        return int(got.stdout)

    return ask
