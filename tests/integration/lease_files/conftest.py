# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig

from tests.integration.lease_files.servers import KINDS, Machine, MakeServer, Server


@pytest.fixture
def make_server(wire: Any, config: ClusterConfig, tmp_path: Path) -> Iterator[MakeServer]:
    """Start a server of a kind, by default on the master and with the lease file that the configuration names.

    That file has dnsmasq's usual name, whoever writes it: names say nothing. The server ends with the test.
    """
    made: list[Server] = []

    def make_server(kind: str, **options: Any) -> Server:
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        where = {"namespace": wire.master, "file": config.leases, **options}
        server = KINDS[kind](config=config, folder=folder, **where)
        made.append(server)
        server.start()
        return server

    yield make_server
    for server in made:
        server.stop()


@pytest.fixture(params=list(KINDS))
def server(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    """A server of each kind in turn."""
    return make_server(request.param)


@pytest.fixture
def machine(wire: Any, tmp_path: Path) -> Machine:
    return Machine(wire.nodes, tmp_path / "machine")
