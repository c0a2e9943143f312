#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a livesync costs, beside loops of rsync and of ssh that a person would type.

``make bench-livesync`` runs it, as root. Nodes are sshds with an address and a root of their own, all on this machine.
A VNFS's tree is published again and again with some files changed, and each side brings all nodes to the next
generation, in turns. What is printed are the seconds until the last node has it, and the CPU seconds for each node on
the master's side. All run without Ansible, in network and mount namespaces that go with this process.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".cache/collections")]

import jinja2  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._config import parse_config  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.rsync import NEVER_TOUCHED  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._ssh import Login, build_shell_argv  # noqa: E402

from tests.bench.limits import Table  # noqa: E402
from tests.cluster import cluster_settings  # noqa: E402
from tests.integration.conftest import Tree  # noqa: E402
from tests.nginx import running_nginx  # noqa: E402
from tests.running_nodes import Cluster  # noqa: E402
from tests.wire import new_wire  # noqa: E402

FIRST = 101
CHANGED = (0, 1, 1000)  # files
PACKAGES = "openssh-server,rsync,curl,zstd,acl,python3,gcc,git,vim,linux-image-cloud-amd64,linux-headers-cloud-amd64"
FEWEST_FILES = 25_000
SKIP = ("/etc/ssh/ssh_host_*", "/etc/machine-id", "/var/log/**")
OURS = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.push import Options
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.run import livesync
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns
method, forks, *names = sys.argv[3:]
skip = compile_patterns(SKIP)
options = Options(skip=skip, method=method, delete=True, forks=int(forks), timeout=600, dry_run=False)
done = livesync(Path(sys.argv[2]), vnfs="debian", names=names, options=options, runner=CommandRunner())
wrong = [str(node) for node in done.as_dicts() if node["error"] or node["method"] != method]
sys.exit("; ".join(wrong) or None)
""".replace("SKIP", repr(SKIP))


@dataclass(frozen=True)
class Cost:
    """``seconds`` until all nodes were done, ``cpu`` seconds for each node on the master's side."""

    seconds: float
    cpu: float


class Bench:
    """Nodes that run, and a tree that is published in generations."""

    def __init__(self, cluster: Cluster, tree: Tree, names: Sequence[str], forks: int) -> None:
        self.cluster = cluster
        self.tree = tree
        self.names = names
        self.forks = forks
        self._generations = count(1)
        self.publish(max(CHANGED))
        image = cluster.config.store / "debian/current/rootfs.squashfs"
        for name in names:
            cluster.report(cluster.boot(name, image.resolve()))
        if (done := cluster.run_identity()).returncode:
            sys.exit(f"Cannot measure: no host keys: {done.stderr}")

    def publish(self, changed: int) -> str:
        """Publish the tree with so many files changed, and return its generation."""
        number = next(self._generations)
        for name in range(changed):
            self.tree.write(f"opt/bench/{name % 40}/{name}", f"{name} in {number}\n" * 200)
        generation = f"{number:016x}"
        self.cluster.publish(self.tree, generation)
        return generation

    def bring(self, method: str) -> Cost:
        """Bring the nodes to the present generation by the module's function."""
        config = str(self.cluster.folder / "cluster.json")
        words = (str(ROOT / ".cache/collections"), config, method, str(self.forks), *self.names)
        return self._measure([sys.executable, "-c", OURS, *words])

    def loop(self, command: Callable[[Login], Sequence[str]]) -> Cost:
        """Run a command for each node by ``xargs -P``."""
        login = Login("n{}", IPv4Address("192.0.2.1"), self.cluster.config.state_dir / "known_hosts")
        words = shlex.join(command(login)).replace("192.0.2.1", "10.17.5.{}")
        numbers = " ".join(name[1:] for name in self.names)
        script = f"printf '%s\\n' {numbers} | xargs -P {self.forks} -I{{}} {words}"
        return self._measure(["sh", "-c", script])

    def rsync(self, generation: str) -> Cost:
        """Bring the nodes to a generation by a loop of rsync."""
        with self._mounted(generation) as source:
            cost = self.loop(lambda login: rsync_argv(source, login))
        for node in self.cluster.nodes.values():
            (node.root / "run/perceus/generation").write_text(f"{generation}\n")
        return cost

    @contextmanager
    def _mounted(self, generation: str) -> Any:
        target = self.cluster.folder / "source"
        target.mkdir(exist_ok=True)
        image = self.cluster.config.store / "debian/images" / generation / "rootfs.squashfs"
        subprocess.run(["mount", "-o", "loop,ro", str(image), str(target)], check=True)
        try:
            yield target
        finally:
            subprocess.run(["umount", str(target)], check=True)

    def _measure(self, argv: Sequence[str]) -> Cost:
        before, began = os.times(), time.monotonic()
        done = self.cluster.run(*argv, timeout=1800)
        seconds, after = time.monotonic() - began, os.times()
        if done.returncode:
            sys.exit(f"Cannot measure: {done.stderr[-2000:]}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Cost(seconds, cpu / len(self.names))


def rsync_argv(source: Path, login: Login) -> list[str]:
    excluded = [f"--exclude={pattern}" for pattern in (*NEVER_TOUCHED, *SKIP)]
    return [
        *("rsync", "-aHAXx", "--numeric-ids", "--delay-updates", "--delete", "--omit-dir-times", *excluded),
        *("-e", shlex.join(build_shell_argv(login)), f"{source}/", f"root@{login.address}:/"),
    ]


def ssh_argv(login: Login) -> list[str]:
    return [*build_shell_argv(login), f"root@{login.address}", "true"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--forks", type=int, default=10, help="of them at a time (default: %(default)s)")
    parser.add_argument("--tree", type=Path, help="a VNFS's tree (default: one by mmdebstrap)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("Cannot measure: namespaces need root")
    os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".cache/collections"))
    with tempfile.TemporaryDirectory(prefix="bench.", dir=ROOT / ".cache") as folder, new_wire() as wire:
        settings = cluster_settings(Path(folder), leases=f"{folder}/dnsmasq.leases")
        (Path(folder) / "cluster.json").write_text(json.dumps(settings))
        config = parse_config(json.dumps(settings))
        config.store.mkdir(parents=True)
        cluster = Cluster(config, Path(folder), wire, Tree)
        template = (ROOT / "roles/image_server/templates/etc/nginx/conf.d/perceus.conf.j2").read_text()
        text = jinja2.Template(template).render(ansible_managed="by this bench", __image_server_ip=config.address.ip)
        text = text.replace("/var/lib/perceus", str(config.state_dir)).replace("/var/log/perceus", folder)
        with running_nginx(wire.master, text, Path(folder), asked=config.boot_url("")):
            try:
                names = [f"n{number}" for number in range(FIRST, FIRST + options.nodes)]
                cluster.register(*names)
                tree = make_tree(cluster, options.tree or bootstrap(Path(folder) / "vnfs"))
                return compare(Bench(cluster, tree, names, options.forks))
            finally:
                for node in cluster.nodes.values():
                    cluster.shut_down(node)
                while cluster.looped_images():
                    time.sleep(0.1)


def bootstrap(folder: Path) -> Path:
    argv = ["mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase", f"--include={PACKAGES}", "bookworm"]
    subprocess.run([*argv, str(folder)], check=True)
    return folder


def make_tree(cluster: Cluster, vnfs: Path) -> Tree:
    """Return what a node here runs from, with all files of a VNFS in it."""
    tree: Tree = cluster.make_tree("tree")
    subprocess.run(["cp", "-a", "--", str(vnfs), str(tree.root / "srv")], check=True)
    files = sum(len(names) for _folder, _folders, names in os.walk(tree.root))
    if files < FEWEST_FILES:
        sys.exit(f"Cannot measure: the tree has {files} files, of the {FEWEST_FILES} that are the least")
    print(f"{files} files\n", flush=True)
    return tree


def compare(bench: Bench) -> int:
    table = Table("files changed", "by", "seconds", "of an rsync loop", "CPU seconds for a node")
    bench.loop(ssh_argv)
    for changed in CHANGED:
        handshake = bench.loop(ssh_argv)
        loop = bench.rsync(bench.publish(changed))
        if changed:
            bench.publish(changed)
        delta = bench.bring("delta")
        if changed:
            bench.publish(changed)
        full = bench.bring("full")
        for by, cost, limit in (
            ("ssh true", handshake, None),
            ("rsync", loop, None),
            ("delta", delta, 0.3),
            ("full", full, 1.2),
        ):
            share = cost.seconds / loop.seconds
            cells = (str(changed), by, f"{cost.seconds:.1f}", f"{share:.2f}", f"{cost.cpu:.3f}")
            table.add(*cells, value=share, at_most=limit)
    return table.status


if __name__ == "__main__":
    sys.exit(main())
