# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a delta does not do, or ends in the middle: what a node has then, and what the next livesync makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

FIRST, SECOND, THIRD = "1" * 16, "2" * 16, "3" * 16

Livesync = Callable[..., dict[str, Any]]


@pytest.fixture
def method() -> str:
    return "auto"


@pytest.fixture
def impostor(cluster: Any, tmp_path: Path) -> Iterator[Path]:
    """A web server in the place of nginx, and its folder."""
    folder = tmp_path / "impostor"
    folder.mkdir()
    argv = (sys.executable, "-m", "http.server", "--directory", str(folder), "--bind", "10.17.0.1", "80")
    with (tmp_path / "impostor.log").open("wb") as log:
        running = subprocess.Popen(cluster.wire.master.command(*argv), stdout=log, stderr=log)
    yield folder
    running.kill()
    running.wait()


def require_full(cluster: Any, node: Any, result: dict[str, Any], reason: str) -> None:
    """The node has all of the present generation, though not by a delta."""
    (found,) = result["nodes"]
    assert (found["error"], found["method"]) == (None, "full")
    assert found["reason"].startswith(reason)
    fresh = cluster.boot("n103", cluster.config.store / "debian/current/rootfs.squashfs")
    assert node.look() == fresh.look()
    assert not (node.root / "run/perceus/livesync").exists()


@pytest.mark.usefixtures("nginx")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("drift", "it has drifted"),
        pytest.param("generation", "Cannot read generation '1111111111111111'", marks=pytest.mark.long),
        ("unfinished", "a livesync was cut short on it"),
    ],
)
def test_a_node_that_is_no_generation_of_the_store_is_compared_with_all(
    cluster: Any, nodes: list[Any], livesync: Livesync, spoil: str, reason: str
) -> None:
    (node, _) = nodes
    if spoil == "drift":
        (node.root / "usr/bin/grow").write_text("not as long as it was")
    elif spoil == "generation":
        (cluster.config.store / "debian/images" / FIRST / "manifest.json").unlink()
    else:
        (node.root / "run/perceus/livesync").write_text(f"{THIRD}\n")
        (node.root / "etc/.~tmp~").mkdir()
        (node.root / "etc/.~tmp~/motd").write_text("of that livesync\n")
    before = node.look()
    refused = livesync(nodes=["n101"], method="delta")
    assert f"n101: a delta does not do: {reason}" in refused["msg"]
    if spoil != "unfinished":  # else what it left beside is gone
        assert node.look() == before
    require_full(cluster, node, livesync(nodes=["n101"]), reason)


def test_without_the_web_server_all_goes_over_ssh(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    require_full(cluster, nodes[0], livesync(nodes=["n101"]), "curl: (7) Failed to connect")


def test_what_is_not_what_was_made_is_not_applied(
    cluster: Any, nodes: list[Any], livesync: Livesync, impostor: Path
) -> None:
    livesync("--check", nodes=["n102"])
    (delta,) = (cluster.config.store / "debian/deltas").iterdir()
    there = impostor / "vnfs/debian/deltas" / delta.name
    there.parent.mkdir(parents=True)
    there.write_bytes(delta.read_bytes()[:-1])
    require_full(cluster, nodes[0], livesync(nodes=["n101"]), "the delta's SHA-256 is ")


@pytest.mark.usefixtures("nginx")
def test_a_node_without_room_says_so_and_is_what_it_was(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    (node, other) = nodes
    tree = cluster.make_tree("large")
    tree.write("etc/motd", "large\n")
    (tree.root / "large").write_bytes(os.urandom(8 * 1024 * 1024))
    cluster.publish(tree, THIRD)
    node.run("mount", "-o", "remount,size=4m", f"{node.folder}/node/rw")
    result = livesync()
    assert ["No space left on device" in (found["error"] or "") for found in result["nodes"]] == [True, False]
    assert cluster.ssh("n101", "cat", "/etc/motd").stdout == "first\n"
    node.run("mount", "-o", "remount,size=1g", f"{node.folder}/node/rw")
    assert not livesync(nodes=["n101"])["failed"]
    assert node.look() == other.look()


@pytest.mark.usefixtures("nginx")
def test_killed_in_the_middle_each_file_is_old_or_new_and_the_next_livesync_repairs(
    cluster: Any, nodes: list[Any], livesync: Livesync
) -> None:
    (node, other) = nodes
    tree = cluster.make_tree("many")
    names = [f"opt/{number % 7}/{number}" for number in range(3000)]
    for name in names:
        tree.write(name, "first\n")
    cluster.publish(tree, THIRD)
    assert not livesync()["failed"]
    for name in names:
        tree.write(name, "later, and longer\n")
    cluster.publish(tree, "4" * 16)

    with ThreadPoolExecutor(1) as thread:
        pushing = thread.submit(livesync, nodes=["n101"])
        deadline = time.monotonic() + 60
        while not (node.root / "opt/3/.~tmp~").exists():
            assert time.monotonic() < deadline and not pushing.done()
        node.kill("rsync")
        assert pushing.result()["failed"]
    assert {(node.root / name).read_text() for name in names} <= {"first\n", "later, and longer\n"}
    assert (node.root / "run/perceus/generation").read_text() == f"{THIRD}\n"
    assert list(node.root.glob("opt/*/.~tmp~"))
    again = livesync()
    assert [(found["error"], found["method"]) for found in again["nodes"]] == [(None, "full"), (None, "delta")]
    assert not list(node.root.glob("opt/*/.~tmp~"))
    assert node.look() == other.look()


@pytest.mark.long
@pytest.mark.usefixtures("nginx")
def test_a_file_that_nothing_can_replace_is_named(nodes: list[Any], livesync: Livesync) -> None:
    (node, other) = nodes
    (node.root / "etc/motd").chmod(0o444)
    subprocess.run(["chattr", "+i", str(node.root / "etc/motd")], check=True)
    result = livesync()
    assert "n101: " in result["msg"] and "etc/motd" in result["msg"] and "Operation not permitted" in result["msg"]
    assert [bool(found["error"]) for found in result["nodes"]] == [True, False]
    subprocess.run(["chattr", "-i", str(node.root / "etc/motd")], check=True)
    assert not livesync(nodes=["n101"])["failed"]
    assert node.look() == other.look()
