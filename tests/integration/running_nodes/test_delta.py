# SPDX-License-Identifier: GPL-3.0-or-later
"""Livesync by delta: nodes fetch what differs from the real nginx, and apply it by themselves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs, remove_generation

from tests import zoo

FIRST, SECOND, THIRD = "1" * 16, "2" * 16, "3" * 16

Livesync = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("nginx")


@pytest.fixture
def method() -> str:
    return "delta"


def test_afterwards_a_node_is_what_a_boot_of_the_new_generation_gives(
    cluster: Any, nodes: list[Any], livesync: Livesync
) -> None:
    (nodes[0].root / "var/log/boot.log").write_text("the node's own\n")
    result = livesync()
    assert (result["failed"], result["changed"], result["generation"]) == (False, True, SECOND), result
    fresh = cluster.boot("n103", cluster.config.store / "debian/current/rootfs.squashfs")
    for node in nodes:
        assert node.look() == fresh.look()
        assert (node.root / "run/perceus/generation").read_text() == f"{SECOND}\n"
        assert (node.root / "run/perceus/reports").read_text() == f"livesync {SECOND}\n"
        assert not (node.root / "run/perceus/livesync").exists()
        assert (node.root / "var/log/service").is_dir()
        assert not (node.root / "var/log/service/first.log").exists()
    assert (nodes[0].root / "var/log/boot.log").read_text() == "the node's own\n"
    assert [(node["method"], node["reason"], node["error"]) for node in result["nodes"]] == [("delta", None, None)] * 2


def test_everything_about_a_file_gets_onto_a_node(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    """First all of it, then what is beside content, then nothing is left."""
    (node, _) = nodes
    tree = cluster.make_tree("zoo")
    (tree.root / "srv").mkdir()
    planted, arrived = tree.root / "srv/zoo", node.root / "srv/zoo"
    zoo.plant(planted)
    cluster.publish(tree, THIRD)
    require_delta(livesync(nodes=["n101"]))
    assert zoo.describe(arrived) == zoo.describe(planted)
    assert (arrived / "sparse").stat().st_blocks * 512 < zoo.SPARSE_SIZE

    inodes = {path.name: path.stat().st_ino for path in arrived.iterdir() if path.is_file() and not path.is_symlink()}
    for path in sorted(planted.rglob("*")):
        os.chown(path, 11, 12, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(0o2710 if path.is_dir() else 0o4711)
        os.utime(path, (1, 1_100_000_000), follow_symlinks=False)
    os.setxattr(planted / "closed", "trusted.note", b"\0\xff")
    os.setxattr(planted / "setuid", "system.posix_acl_access", os.getxattr(planted / "acl", "system.posix_acl_access"))
    os.removexattr(planted / "noted", "security.note")
    subprocess.run(["setcap", "cap_net_raw+ep", str(planted / "capable")], check=True)
    cluster.publish(tree, "4" * 16)
    require_delta(livesync(nodes=["n101"]))
    assert zoo.describe(arrived) == zoo.describe(planted)
    assert {name: (arrived / name).stat().st_ino for name in inodes} == inodes  # nothing was sent but attributes

    subprocess.run(["rm", "-r", str(planted)], check=True)
    cluster.publish(tree, "5" * 16)
    require_delta(livesync(nodes=["n101"]))
    assert not arrived.exists()
    assert livesync(nodes=["n101"], method="full")["nodes"][0]["changes"] == 0


def test_check_run_check_again_run_again(nodes: list[Any], livesync: Livesync) -> None:
    before = [node.look() for node in nodes]
    planned = livesync("--check", "--diff")
    assert planned["changed"], planned
    assert [node.look() for node in nodes] == before
    done = livesync()
    assert [node["changes"] for node in done["nodes"]] == [node["changes"] for node in planned["nodes"]]
    for result in (livesync("--check"), livesync()):
        assert not result["changed"]
        assert [(node["changes"], node["error"]) for node in result["nodes"]] == [(0, None)] * 2


def test_what_is_the_nodes_own_is_left_alone(nodes: list[Any], livesync: Livesync) -> None:
    """By the skip list, by an overlay, or because something is mounted there; deleted or replaced, file or folder."""
    (node, _) = nodes
    for name in ("etc/motd", "etc/gone"):
        (node.root / name).write_text("of an overlay\n")
    (node.root / "run/perceus/overlay").write_text("etc/motd\netc/gone\n")
    (node.root / "usr/bin/grow").write_text("of the node\n")
    node.run("mount", "-t", "tmpfs", "opt", f"{node.folder}/node/root/opt")
    (node.root / "opt/results").write_text("of a week\n")
    result = livesync(nodes=["n101"], skip=["/usr/bin/g*", "/var/fifo"])
    assert not result["failed"], result
    assert [(node.root / name).read_text() for name in ("etc/motd", "etc/gone")] == ["of an overlay\n"] * 2
    assert (node.root / "usr/bin/grow").read_text() == "of the node\n"
    assert [path.name for path in (node.root / "opt").iterdir()] == ["results"]
    assert not (node.root / "var/fifo").exists()
    assert (node.root / "usr/bin/twin").exists()


def test_a_skipped_folder_keeps_what_the_image_deletes_in_it(nodes: list[Any], livesync: Livesync) -> None:
    (node, _) = nodes
    assert not livesync(nodes=["n101"], skip=["/opt/", "/etc/**"])["failed"]
    assert (node.root / "opt/folder/file").exists()
    assert (node.root / "etc/gone").exists()
    assert not (node.root / "etc/link").is_symlink()
    assert (node.root / "usr/bin/twin").exists()


def test_deletion_can_be_turned_off(nodes: list[Any], livesync: Livesync) -> None:
    assert not livesync(nodes=["n101"], delete=False)["failed"]
    assert (nodes[0].root / "etc/gone").exists()
    assert (nodes[0].root / "etc/motd").read_text() == "later\n"


def test_a_delta_is_made_once_and_goes_with_its_generations(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    assert len(nodes) == 2
    livesync("--check")
    vnfs = Vnfs(cluster.config.store / "debian")
    (delta,) = vnfs.deltas.iterdir()
    made = delta.stat().st_ctime_ns, delta.read_bytes()
    delta.write_bytes(b"")  # as after a power cut
    livesync("--check")
    assert delta.read_bytes() == made[1]
    made = delta.stat().st_ctime_ns, made[1]
    livesync()
    assert (delta.stat().st_ctime_ns, delta.read_bytes()) == made
    remove_generation(vnfs, FIRST)
    assert list(vnfs.deltas.iterdir()) == []


def require_delta(result: dict[str, Any]) -> None:
    assert [(node["error"], node["method"]) for node in result["nodes"]] == [(None, "delta")], result
