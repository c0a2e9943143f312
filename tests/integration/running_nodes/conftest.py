# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that run, on the private wire of each test."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig

from tests.running_nodes import Cluster, RunningNode

FIRST, SECOND = "1" * 16, "2" * 16
Livesync = Callable[..., dict[str, Any]]


@pytest.fixture
def cluster(config: ClusterConfig, tmp_path: Path, wire: Any, tree_at: Any) -> Iterator[Cluster]:
    made = Cluster(config, tmp_path, wire, tree_at)
    yield made
    for node in made.nodes.values():
        made.shut_down(node)
    deadline = time.monotonic() + 10
    while made.looped_images():  # the kernel takes mounts apart some time after the last process has gone
        assert time.monotonic() < deadline, made.looped_images()
        time.sleep(0.02)


@pytest.fixture
def boot(cluster: Cluster) -> Callable[[Sequence[str]], list[RunningNode]]:
    """Boot nodes of these names from a tree that a node can just run from."""

    def boot(names: Sequence[str]) -> list[RunningNode]:
        cluster.register(*names)
        image = cluster.publish(cluster.make_tree("first"), "1" * 16)
        return [cluster.boot(name, image) for name in names]

    return boot


@pytest.fixture
def method() -> str:
    """How nodes are livesynced; a test may have another."""
    return "full"


@pytest.fixture
def livesync(cluster: Cluster, method: str) -> Livesync:
    """Run the module on the master, by the test's method."""

    def livesync(*flags: str, **options: Any) -> dict[str, Any]:
        return cluster.livesync(*flags, method=options.pop("method", method), **options)

    return livesync


@pytest.fixture
def nodes(cluster: Cluster) -> list[RunningNode]:
    """Two nodes that are up with their permanent keys and hold leases; a second generation is published."""
    cluster.register("n101", "n102", "n103")
    tree = cluster.make_tree("tree")
    tree.write("etc/motd", "first\n")
    tree.write("etc/gone", "soon\n")
    tree.write("opt/folder/file", "in a folder that becomes a file\n")
    tree.write("usr/bin/grow", "no capability yet\n", mode=0o755)
    tree.write("usr/bin/keep", "setuid\n", mode=0o4755)
    tree.write("var/log/boot.log", "empty in the image\n")
    image = cluster.publish(tree, FIRST)
    running = [cluster.boot(name, image) for name in ("n101", "n102")]
    for node in running:
        cluster.report(node)
        with cluster.config.leases.open("a") as leases:
            leases.write(f"0 {node.node.macs[0]} {node.node.address} * *\n")
    assert cluster.run_identity().returncode == 0

    tree.write("etc/motd", "later\n")
    (tree.root / "etc/gone").unlink()
    (tree.root / "opt/folder/file").unlink()
    (tree.root / "opt/folder").rmdir()
    tree.write("opt/folder", "a file now\n")
    subprocess.run(["setcap", "cap_net_raw+ep", str(tree.root / "usr/bin/grow")], check=True)
    os.chown(tree.write("usr/bin/new", "setgid\n"), 100, 65534)
    (tree.root / "usr/bin/new").chmod(0o2755)
    os.link(tree.root / "usr/bin/new", tree.root / "usr/bin/twin")
    os.symlink("../motd-of-nowhere", tree.root / "etc/link")
    os.mkfifo(tree.root / "var/fifo", 0o640)
    tree.write("var/log/service/first.log", "a log that the image brings\n")
    tree.write("etc/new line\n{{ name }}", "\n")
    tree.write("var/log/boot.log", "changed in the image\n")
    cluster.publish(tree, SECOND)
    return running
