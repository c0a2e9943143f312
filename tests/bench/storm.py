#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs the image server when many nodes boot at once.

``make bench-storm`` runs it, as root. Clients with an address of their own each do what a node does, all at the same
time: they follow the boot scripts that the reconciler wrote, fetch kernel, initramfs and image, and report. In turns,
the same clients fetch the same three files from the same nginx without our configuration. nginx runs with the
distribution's settings, as one process, whose CPU time is the kernel's account of it. All is in network and mount
namespaces that go with this process. What is printed is a table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".cache/collections")]

import jinja2  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import INITRAMFS, KERNEL  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import ROOT as IMAGE  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._boot.ipxe import START  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig, parse_config  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import save_registry  # noqa: E402

from tests.bench.limits import Table  # noqa: E402
from tests.cluster import cluster_settings  # noqa: E402
from tests.wire import Wire, new_wire  # noqa: E402

FIRST = IPv4Address("10.17.5.1")
VNFS, GENERATION = "debian", "0123456789abcdef"
FILES = (KERNEL, INITRAMFS, IMAGE)
STAGES = ("fetch", "verified", "pivot", "ready")
OURS = ROOT / "roles/image_server/templates/etc/nginx/conf.d/perceus.conf.j2"
PLAIN = "server { listen {{ __image_server_ip }}:80; access_log off; root /var/lib/perceus/vnfs/debian/images; }"
# The role's paths are these folders: the site, the cluster's state, and the logs. Arguments: those three.
NGINX = """
set -e
mount --bind "$1" /etc/nginx/conf.d
mount -t tmpfs tmpfs /etc/nginx/sites-enabled
mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/perceus /var/lib/nginx && mount --bind "$2" /var/lib/perceus
mount -t tmpfs tmpfs /var/log && mkdir /var/log/perceus /var/log/nginx && mount --bind "$3" /var/log/perceus
mount -t tmpfs tmpfs /run
exec nginx -g 'daemon off; master_process off;'
"""


@dataclass
class Client:
    """A machine with an address of its own, and what it has asked for."""

    config: ClusterConfig
    node: Node
    requests: int = 0
    received: int = 0
    ports: count = field(default_factory=lambda: count(1))  # root's, from which alone reports count

    def boot(self) -> None:
        """Do what a node does, from its firmware's first request until it is ready."""
        (mac,) = self.node.macs
        own = _urls(self._read(self.config.boot_url(START)), "chain")[0]
        settings = {"${netX/mac:hexhyp}": mac.replace(":", "-"), "${netX/mac}": mac}
        script = self._read(re.sub(r"\$\{[^}]*\}", lambda name: settings.get(name[0], "x"), own))
        kernel, *arguments = _urls(script, "kernel")
        self._read(kernel)
        self._read(_urls(script, "initrd")[0])
        for stage in STAGES:
            self._read(f"{self.config.report_url}?{urlencode({'stage': stage, 'mac': mac, 'gen': GENERATION})}")
            if stage == "fetch":
                self._read(next(url for url in arguments if url.endswith(IMAGE)))

    def fetch(self) -> None:
        """Fetch the files of a boot, and nothing else, from a server that has them at its top."""
        for name in FILES:
            self._read(f"http://{self.config.address.ip}/{GENERATION}/{name}")

    def _read(self, url: str) -> str:
        """Return the beginning of what is at ``url``, after all of it has come."""
        parts = urlsplit(url)
        address = (str(self.node.address), next(self.ports))
        asking = HTTPConnection(parts.netloc, timeout=600, source_address=address)
        asking.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        answer = asking.getresponse()
        if answer.status >= 300:
            sys.exit(f"Cannot fetch {url} as {self.node.name}: {answer.status}")
        self.requests += 1
        beginning = answer.read(65536)
        self.received += len(beginning)
        buffer = bytearray(1 << 20)
        while got := answer.readinto(buffer):
            self.received += got
        asking.close()
        return beginning.decode(errors="replace")


def _urls(script: str, command: str) -> list[str]:
    """Return the addresses in the first line of a boot script that begins with ``command``."""
    line = next(line for line in script.splitlines() if line.startswith(f"{command} "))
    return re.findall(r"http://\S+", line)


@dataclass(frozen=True)
class Round:
    """What came of one, for each client."""

    cpu: float  # milliseconds of nginx
    seconds: float  # until the last had everything
    requests: float
    received: float  # bytes


@dataclass(frozen=True)
class Site:
    """A cluster whose nodes all boot one image."""

    config: ClusterConfig
    nodes: tuple[Node, ...]
    folder: Path

    def storm(self, template: str, act: Callable[[Client], None]) -> Round:
        """Have all clients ``act`` at once on an nginx with this site."""
        conf, logs = self.folder / "conf.d", self.folder / "log"
        for folder in (conf, logs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        variables = {"ansible_managed": "by this bench", "__image_server_ip": self.config.address.ip}
        (conf / "site.conf").write_text(jinja2.Template(template).render(variables))
        clients = [Client(self.config, node) for node in self.nodes]
        with new_wire() as wire:
            self._give_addresses(wire)
            alone = ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", NGINX, "nginx")
            nginx = subprocess.Popen(wire.master.command(*alone, str(conf), str(self.config.state_dir), str(logs)))
            try:
                self._await(nginx, wire)
                seconds = at_once(clients, act, wire)
            finally:
                nginx.terminate()
                _pid, nginx.returncode, used = os.wait4(nginx.pid, 0)
        return Round(
            cpu=(used.ru_utime + used.ru_stime) * 1000 / len(clients),
            seconds=seconds,
            requests=statistics.mean(client.requests for client in clients),
            received=statistics.mean(client.received for client in clients),
        )

    def _give_addresses(self, wire: Wire) -> None:
        commands = self.folder / "addresses"
        commands.write_text("".join(f"address add {node.address}/16 dev eth0\n" for node in self.nodes))
        wire.nodes.ip("-batch", str(commands))

    def _await(self, nginx: subprocess.Popen, wire: Wire) -> None:
        asking = wire.nodes.command("curl", "--silent", "--output", "/dev/null", self.config.boot_url(""))
        deadline = time.monotonic() + 10
        while subprocess.run(asking, check=False).returncode:
            if nginx.poll() is not None or time.monotonic() > deadline:
                sys.exit("Cannot measure: nginx does not start")
            time.sleep(0.05)


def at_once(clients: list[Client], act: Callable[[Client], None], wire: Wire) -> float:
    """Start all clients together; return the seconds until the last is done."""
    ready = threading.Barrier(len(clients) + 1)

    def run(client: Client) -> None:
        wire.nodes.enter()
        ready.wait()
        act(client)

    with ThreadPoolExecutor(len(clients)) as threads:
        running = [threads.submit(run, client) for client in clients]
        ready.wait()
        start = time.monotonic()
        for client in running:
            client.result()
        return time.monotonic() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200, help="how many boot at once (default: %(default)s)")
    parser.add_argument("--size", type=int, default=150, metavar="MB", help="of the image (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default: %(default)s)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("Cannot measure: namespaces need root")
    with tempfile.TemporaryDirectory(prefix="bench.", dir=ROOT / ".cache") as folder:
        site = make_site(Path(folder), options.clients, options.size * 10**6)
        ours, plain = [], []
        for _ in range(options.rounds):
            plain.append(site.storm(PLAIN, Client.fetch))
            ours.append(site.storm(OURS.read_text(), Client.boot))
            told = len((Path(folder) / "log/reports.log").read_text().splitlines())
            if told != len(STAGES) * options.clients:
                sys.exit(f"Cannot call it a boot: {told} reports of {options.clients} nodes")
    return report(ours, plain)


def make_site(folder: Path, clients: int, size: int) -> Site:
    """Publish an image of ``size`` bytes for so many nodes."""
    addresses = f"{FIRST}-{FIRST + clients - 1}"
    settings = cluster_settings(folder, node_range=addresses, node_name="n####", node_first=1)
    config = parse_config(json.dumps(settings))
    generation = config.store / VNFS / "images" / GENERATION
    generation.mkdir(parents=True)
    files = {}
    for name, length in zip(FILES, (8 * 10**6, 12 * 10**6, size), strict=True):
        content = os.urandom(length)
        (generation / name).write_bytes(content)
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": length}
    header = {"format": "perceus-image", "version": 1, "vnfs": VNFS, "generation": GENERATION, "kernel_args": ""}
    (generation / "image.json").write_text(json.dumps({**header, "root_mode": "overlay", "files": files}))
    (config.store / VNFS / "current").symlink_to(f"images/{GENERATION}")
    nodes = tuple(
        Node(
            config.name_of(number),
            (f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}",),
            config.address_of(number),
            config.default_group,
            True,
            f"{number:032x}",
            "2030-01-01T00:00:00Z",
        )
        for number in range(1, clients + 1)
    )
    save_registry(config.registry, Registry({}, nodes))
    said: list[str] = []
    if reconcile.run(lambda: config, reload=lambda: None, say=said.append) != 0:
        sys.exit("\n".join(["Cannot measure: the reconciler left something undone", *said]))
    return Site(config, nodes, folder)


def report(ours: list[Round], plain: list[Round]) -> int:
    """Print what the rounds gave; return the exit status."""
    table = Table("of a boot", "ours", "plain nginx, the same files", "share")

    def compare(what: str, unit: str, value: Callable[[Round], float], *, at_most: float | None = None) -> None:
        mine, theirs = (statistics.median(map(value, side)) for side in (ours, plain))
        share = mine / theirs
        words = (f"{side:.1f}{unit}" for side in (mine, theirs))
        table.add(what, *words, f"{share:.2f}", value=share, at_most=at_most)

    compare("nginx's CPU", " ms", lambda one: one.cpu, at_most=1.1)
    compare("until all are up", " s", lambda one: one.seconds)
    compare("sent", " MB", lambda one: one.received / 1e6)
    compare("requests", "", lambda one: one.requests)
    return table.status


if __name__ == "__main__":
    sys.exit(main())
