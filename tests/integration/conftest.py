# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces joined by a wire, a real dnsmasq on one end of it, and DHCP clients on the other.

Namespaces and daemons live as processes that the kernel kills with this one, so nothing is left even after ``kill -9``.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig, parse_config

from tests.cluster import cluster_settings
from tests.nginx import running_nginx
from tests.wire import DhcpClient, Dnsmasq, Namespace, Wire, new_namespace, new_wire, running_dnsmasq


class Tree:
    """A root file system in the making."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: str, *, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return path

    def add_program(self, program: str) -> None:
        libraries = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
        for name in (program, *re.findall(r"(/\S+) \(0x", libraries)):
            target = self.root / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, target)


@pytest.fixture(scope="session")
def tree_at() -> type[Tree]:
    """Called with a folder, begins a root file system in it."""
    return Tree


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A network of two ends that nothing else on this machine can reach."""
    with new_wire() as wire:
        yield wire


@pytest.fixture
def site() -> Iterator[Namespace]:
    """Another machine, which is on no wire yet."""
    with new_namespace() as namespace:
        yield namespace


@pytest.fixture
def config(tmp_path: Path) -> ClusterConfig:
    """A cluster whose folders are there and empty, and whose ``cluster.json`` is in ``tmp_path``."""
    settings = cluster_settings(tmp_path, leases=f"{tmp_path}/dnsmasq.leases")
    text = json.dumps(settings)
    (tmp_path / "cluster.json").write_text(text)
    for folder in ("boot", "dnsmasq", "vnfs"):
        (tmp_path / "state" / folder).mkdir(parents=True)
    return parse_config(text)


@pytest.fixture
def known_leases() -> str:
    """The lease file that dnsmasq starts with; a test may have its own."""
    return ""


@pytest.fixture
def dnsmasq(wire: Wire, config: ClusterConfig, known_leases: str) -> Iterator[Dnsmasq]:
    """dnsmasq at work on ``config``."""
    config.leases.write_text(known_leases)
    with running_dnsmasq(wire, config) as running:
        yield running


@pytest.fixture
def clients_at(wire: Wire) -> Iterator[Callable[[str], DhcpClient]]:
    """Called with an interface of the nodes' end, returns machines behind it."""
    with contextlib.ExitStack() as stack:
        yield lambda interface: stack.enter_context(contextlib.closing(DhcpClient(wire.nodes, interface)))


@pytest.fixture
def clients(wire: Wire) -> Iterator[DhcpClient]:
    client = DhcpClient(wire.nodes)
    yield client
    client.close()


@pytest.fixture
def nginx(wire: Wire, config: ClusterConfig, tmp_path: Path, root: Path) -> Iterator[Path]:
    """The image server, with the role's configuration; its log of errors."""
    template = (root / "roles/image_server/templates/etc/nginx/conf.d/perceus.conf.j2").read_text()
    text = jinja2.Template(template).render(ansible_managed="by this test", __image_server_ip=config.address.ip)
    text = text.replace("/var/lib/perceus", str(config.state_dir)).replace("/var/log/perceus", str(tmp_path))
    with running_nginx(wire.master, text, tmp_path, asked=config.boot_url("")):
        yield tmp_path / "nginx.errors"
