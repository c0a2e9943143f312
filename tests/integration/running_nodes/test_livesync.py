# SPDX-License-Identifier: GPL-3.0-or-later
"""The module livesync against real sshds, real rsync and a real image."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._files import locked
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import Recipe, save_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs, lock_vnfs

from tests import zoo

FIRST, SECOND = "1" * 16, "2" * 16

Livesync = Callable[..., dict[str, Any]]

MOUNT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.source import load_source, mount_source
from ansible_collections.perceus.cluster.plugins.module_utils._namespaces import enter_private_mounts
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner

source = load_source(Path(sys.argv[1]), "debian")
enter_private_mounts()
mount_source(source, CommandRunner())
print((source.folder / "etc/motd").read_text(), end="", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_afterwards_a_node_is_what_a_boot_of_the_new_generation_gives(
    cluster: Any, nodes: list[Any], livesync: Livesync
) -> None:
    (nodes[0].root / "etc/drift").write_text("somebody was here\n")
    (nodes[0].root / "etc/motd").write_text("drift\n")
    (nodes[0].root / "var/log/boot.log").write_text("the node's own\n")
    result = livesync()
    assert (result["failed"], result["changed"], result["generation"]) == (False, True, SECOND)
    fresh = cluster.boot("n103", cluster.config.store / "debian/current/rootfs.squashfs")
    for node in nodes:
        assert node.look() == fresh.look()
        assert (node.root / "run/perceus/generation").read_text() == f"{SECOND}\n"
        assert (node.root / "run/perceus/reports").read_text() == f"livesync {SECOND}\n"
        assert (node.root / "var/log/service").is_dir()
        assert not (node.root / "var/log/service/first.log").exists()
    assert (nodes[0].root / "var/log/boot.log").read_text() == "the node's own\n"
    assert cluster.ssh("n101", "cat", "/etc/motd").stdout == "later\n"


def test_everything_about_a_file_gets_onto_a_node(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    tree = cluster.make_tree("zoo")
    (tree.root / "srv").mkdir()
    zoo.plant(tree.root / "srv/zoo")
    planted = zoo.describe(tree.root / "srv/zoo")
    cluster.publish(tree, "3" * 16)
    assert not livesync(nodes=["n101"])["failed"]
    arrived = nodes[0].root / "srv/zoo"
    assert zoo.describe(arrived) == planted
    assert (arrived / "sparse").stat().st_blocks * 512 < zoo.SPARSE_SIZE
    again = livesync(nodes=["n101"])
    assert (again["failed"], again["nodes"][0]["changes"]) == (False, 0)
    shutil.rmtree(tree.root / "srv/zoo")
    cluster.publish(tree, "4" * 16)
    livesync(nodes=["n101"])
    assert not arrived.exists()


def test_what_the_vnfs_skips_is_the_nodes_own(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    (node, _) = nodes
    recipe = Recipe(Mmdebstrap("bookworm"), "0" * 64, options=Options(livesync_skip=("/etc/**/*.own", "/opt/")))
    save_recipe(cluster.config.store / "debian/vnfs.yml", recipe)
    (node.root / "etc/deep").mkdir()
    for name in ("etc/x.own", "etc/deep/x.own", "etc/deep/drift"):
        (node.root / name).write_text("of this node\n")
    assert not livesync(nodes=["n101"])["failed"]
    assert (node.root / "etc/x.own").exists()
    assert (node.root / "etc/deep/x.own").exists()
    assert not (node.root / "etc/deep/drift").exists()
    assert (node.root / "opt/folder/file").exists()
    overrides = {"nodes": {"n101": {"livesync_skip": ["/etc/deep/*.own"]}}}
    save_recipe(
        cluster.config.store / "debian/vnfs.yml", replace(recipe, options=replace(recipe.options, overrides=overrides))
    )
    assert not livesync(nodes=["n101"])["failed"]
    assert [(node.root / name).exists() for name in ("etc/x.own", "etc/deep/x.own")] == [False, True]


def test_check_run_check_again_run_again(nodes: list[Any], livesync: Livesync) -> None:
    before = [node.look() for node in nodes]
    planned = livesync("--check", "--diff")
    assert planned["changed"]
    assert [node.look() for node in nodes] == before
    done = livesync()
    assert [node["changes"] for node in done["nodes"]] == [node["changes"] for node in planned["nodes"]]
    for result in (livesync("--check"), livesync()):
        assert not result["changed"]
        assert [(node["name"], node["changes"], node["error"]) for node in result["nodes"]] == [
            ("n101", 0, None),
            ("n102", 0, None),
        ]


def test_what_is_mounted_on_a_node_is_left_alone(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    (node, _) = nodes
    for folder in ("scratch", "opt"):
        (node.root / folder).mkdir(exist_ok=True)
        subprocess.run(["nsenter", f"--mount=/proc/{node.root.parent.name}/ns/mnt", "mount", "-t", "tmpfs", "scratch",
                        f"{cluster.folder}/{node.folder.name}/node/root/{folder}"], check=True)  # fmt: skip
        (node.root / folder / "results").write_text("of a week\n")
    result = livesync(nodes=["n101"])
    assert not result["failed"], result
    for folder in ("scratch", "opt"):
        assert [path.name for path in (node.root / folder).iterdir()] == ["results"]


def test_what_a_node_has_by_overlays_is_left_alone(nodes: list[Any], livesync: Livesync) -> None:
    """Be it in the image, be it not, be it behind a link; what is gone again is in nobody's way."""
    (node, _) = nodes
    names = ("etc/motd", r"etc/perceus\n.site", "usr/bin/site-hello", "site")
    for name in names:
        (node.root / name).write_text("of an overlay\n")
    overlaid = ("etc/motd", r"etc/perceus\n.site", "bin/site-hello", "site", "srv/gone/x")
    (node.root / "run/perceus/overlay").write_text("".join(f"{name}\n" for name in overlaid))
    result = livesync(nodes=["n101"])
    assert not result["failed"], result
    assert [(node.root / name).read_text() for name in names] == ["of an overlay\n"] * 4
    assert not (node.root / "etc/gone").exists()


def test_a_change_that_size_and_time_do_not_show_arrives(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    tree = cluster.make_tree("lookalike")
    for generation, text in (("3" * 16, "one\n"), ("4" * 16, "two\n")):
        os.utime(tree.write("etc/motd", text), (1_100_000_000, 1_100_000_000))
        cluster.publish(tree, generation)
        assert not livesync(nodes=["n101"])["failed"]
        assert (nodes[0].root / "etc/motd").read_text() == text


def test_deletion_can_be_turned_off(nodes: list[Any], livesync: Livesync) -> None:
    assert not livesync(nodes=["n101"], delete=False)["failed"]
    assert (nodes[0].root / "etc/gone").exists()
    assert (nodes[0].root / "etc/motd").read_text() == "later\n"
    assert (nodes[1].root / "etc/motd").read_text() == "first\n"


def test_a_node_that_fails_is_named_and_holds_up_no_other(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    cluster.wire.nodes.ip("address", "delete", f"{nodes[1].node.address}/16", "dev", "eth0")
    began = time.monotonic()
    result = livesync()
    assert time.monotonic() - began < 60
    assert result["failed"]
    assert "Cannot livesync 1 of 2 nodes: n102: " in result["msg"]
    assert [bool(node["error"]) for node in result["nodes"]] == [False, True]
    assert (nodes[0].root / "etc/motd").read_text() == "later\n"


def test_a_machine_with_another_host_key_gets_nothing(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    cluster.shut_down(nodes[0])
    impostor = cluster.boot("n101", cluster.config.store / "debian/images" / FIRST / "rootfs.squashfs")
    result = livesync()
    assert "n101: Cannot finish 'ssh': exit status 255: Host key verification failed." in result["msg"]
    assert (impostor.root / "etc/motd").read_text() == "first\n"


def test_a_full_node_says_so(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    tree = cluster.make_tree("large")
    (tree.root / "large").write_bytes(os.urandom(8 * 1024 * 1024))
    cluster.publish(tree, "3" * 16)
    subprocess.run(["nsenter", f"--mount=/proc/{nodes[0].root.parent.name}/ns/mnt", "mount", "-o", "remount,size=4m",
                    f"{nodes[0].folder}/node/rw"], check=True)  # fmt: skip
    result = livesync()
    assert [("No space left on device" in (node["error"] or "")) for node in result["nodes"]] == [True, False]
    assert cluster.ssh("n101", "cat", "/etc/motd").stdout == "first\n"


@pytest.mark.parametrize("spoil", ["os-release", "flipped byte", "unpublished"])
def test_a_source_that_is_not_what_was_published_is_refused(
    cluster: Any, nodes: list[Any], livesync: Livesync, spoil: str
) -> None:
    if spoil == "os-release":
        tree = cluster.make_tree("empty")
        (tree.root / "usr/lib/os-release").unlink()
        cluster.publish(tree, "3" * 16)
    elif spoil == "flipped byte":
        with (cluster.config.store / "debian/current/rootfs.squashfs").open("r+b") as image:
            image.seek(-100, os.SEEK_END)
            byte = image.read(1)
            image.seek(-1, os.SEEK_CUR)
            image.write(bytes([byte[0] ^ 1]))
    else:
        (cluster.config.store / "debian/current").unlink()
    logins = nodes[0].log.count("Accepted")
    result = livesync()
    assert result["failed"]
    assert "Cannot livesync VNFS 'debian'" in result["msg"]
    assert nodes[0].log.count("Accepted") == logins


@pytest.mark.usefixtures("nodes")
def test_another_kernel_needs_a_reboot(cluster: Any, livesync: Livesync) -> None:
    assert [node["needs_reboot"] for node in livesync()["nodes"]] == [False, False]
    cluster.publish(cluster.make_tree("kernel"), "4" * 16, kernel="another kernel")
    assert [node["needs_reboot"] for node in livesync()["nodes"]] == [True, True]
    assert [node["needs_reboot"] for node in livesync()["nodes"]] == [True, True]


@pytest.mark.usefixtures("nodes")
def test_killed_at_once_it_leaves_no_mount(cluster: Any) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    environment = {"PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", MOUNT_AND_DIE, str(cluster.config.store)],
        env=environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.stdout == b"later\n"
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_a_livesync_waits_for_who_changes_the_vnfs_and_says_who_that_is(
    cluster: Any, nodes: list[Any], livesync: Livesync
) -> None:
    with lock_vnfs(Vnfs(cluster.config.store / "debian")):
        result = livesync()
    assert result["failed"]
    assert f"Cannot lock VNFS 'debian': process {os.getpid()} since " in result["msg"]
    assert (nodes[0].root / "etc/motd").read_text() == "first\n"


def test_what_is_being_pushed_is_not_changed_meanwhile(cluster: Any, nodes: list[Any], livesync: Livesync) -> None:
    vnfs = Vnfs(cluster.config.store / "debian")
    sshd = int(nodes[0].root.parent.name)
    os.kill(sshd, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        try:
            pushing = thread.submit(livesync, nodes=["n101"])
            deadline = time.monotonic() + 20
            while not (vnfs.lock.exists() and vnfs.lock.read_text()):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            with (
                pytest.raises(PerceusError, match=r"Cannot lock the VNFS: process \d+ since \S+Z holds it"),
                locked(vnfs.lock, what="the VNFS", timeout=0),
            ):
                pass
        finally:
            os.kill(sshd, signal.SIGCONT)
        assert not pushing.result()["failed"]
