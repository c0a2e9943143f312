# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``vnfs`` with real mmdebstrap: what is in a capsule, and what a build that goes wrong leaves."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import RECIPE, Master

NOWHERE = "file:/nonexistent/archive"


def await_file(pattern: str, below: Path) -> Path:
    """Wait until something below a folder matches."""
    deadline = time.monotonic() + 60
    while not (found := sorted(below.glob(pattern))):
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.01)
    return found[0]


def look(vnfs: Path) -> dict[str, Any]:
    """What must be as before when a build goes wrong."""
    return {
        "names": sorted(path.name for path in vnfs.iterdir()),
        "tree": (vnfs / "rootfs").stat().st_ino,
        "recipe": (vnfs / "vnfs.yml").read_bytes(),
    }


def test_a_capsule_is_built_once(builds: list[dict[str, Any]]) -> None:
    assert [(build["action"], build["changed"]) for build in builds] == [
        ("build", True),
        ("build", True),
        ("none", False),
        ("none", False),
    ]
    assert builds[0]["diff"] == builds[1]["diff"]
    assert builds[0]["diff"]["before"] == ""
    assert "- iputils-ping\n" in builds[0]["diff"]["after"]


def test_nobody_logs_in_to_a_node_without_a_key(capsule: Master) -> None:
    ssh = capsule.vnfs / "rootfs/root/.ssh"
    assert (ssh / "authorized_keys").read_text() == f"{RECIPE['authorized_keys'][0]}\n"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (ssh, ssh / "authorized_keys")] == [0o700, 0o600]
    assert "root:*:" in (capsule.vnfs / "rootfs/etc/shadow").read_text()


def test_a_kernel_comes_without_an_initramfs_of_its_own(capsule: Master) -> None:
    names = sorted(path.name.split("-")[0] for path in (capsule.vnfs / "rootfs/boot").iterdir())
    assert names == ["System.map", "config", "vmlinuz"]


def test_the_masters_name_does_not_get_into_a_capsule(capsule: Master) -> None:
    assert not (capsule.vnfs / "rootfs/etc/hostname").exists()


def test_packages_and_password_are_brought_up_to_date(capsule: Master) -> None:
    wanted = {**RECIPE, "packages": [*RECIPE["packages"], "tree"], "root_password_hash": "$y$j9T$salt$hash"}
    rehearsed = capsule.do("vnfs", **wanted, _ansible_check_mode=True, _ansible_diff=True)
    assert not (capsule.vnfs / "rootfs/usr/bin/tree").exists()
    done = capsule.do("vnfs", **wanted, _ansible_diff=True)
    again = capsule.do("vnfs", **wanted)
    assert [result["action"] for result in (rehearsed, done, again)] == ["update", "update", "none"]
    assert rehearsed["diff"] == done["diff"]
    assert "salt" not in str(done)
    assert (capsule.vnfs / "rootfs/usr/bin/tree").exists()
    assert "root:$y$j9T$salt$hash:" in (capsule.vnfs / "rootfs/etc/shadow").read_text()
    capsule.do("vnfs", **RECIPE, root_password_hash="")
    assert "root:*:" in (capsule.vnfs / "rootfs/etc/shadow").read_text()


def test_another_suite_is_not_put_over_a_tree_unasked(capsule: Master) -> None:
    before = look(capsule.vnfs)
    result = capsule.call("vnfs", **RECIPE, mmdebstrap={"suite": "trixie"})
    assert result["failed"]
    assert "Cannot change suite of VNFS 'debian' from 'bookworm' to 'trixie'" in result["msg"]
    assert "rebuilt" in result["msg"]
    assert look(capsule.vnfs) == before


def test_a_build_that_fails_leaves_the_old_tree(capsule: Master) -> None:
    before = look(capsule.vnfs)
    result = capsule.call("vnfs", **RECIPE, mmdebstrap={"mirror": NOWHERE}, state="rebuilt")
    assert result["failed"]
    assert "'mmdebstrap'" in result["msg"]
    assert look(capsule.vnfs) == before


def test_a_build_that_is_killed_leaves_the_old_tree_and_no_process(capsule: Master) -> None:
    before = look(capsule.vnfs)
    process = capsule.start("vnfs", **RECIPE, state="rebuilt")
    await_file(".tmp.*/rootfs/var/lib/dpkg", capsule.vnfs)
    assert list(capsule.vnfs.glob(".tmp.*/mmdebstrap.*")), "what it leaves is elsewhere"
    process.kill()
    process.communicate()
    assert len(look(capsule.vnfs)["names"]) == len(before["names"]) + 1
    assert capsule.do("vnfs", **RECIPE)["action"] == "none"
    assert look(capsule.vnfs) == before


def test_what_is_mounted_in_a_tree_is_not_removed_with_it(capsule: Master) -> None:
    precious = capsule.path("/var/lib/perceus/precious")
    precious.mkdir()
    (precious / "file").write_text("alive")
    point = "/var/lib/perceus/vnfs/debian/rootfs/srv/a b"
    capsule.path(point).mkdir()
    capsule.run("mount", "--bind", "/var/lib/perceus/precious", point)
    try:
        results = [
            capsule.call("vnfs", **RECIPE, state="absent"),
            capsule.call("vnfs", **RECIPE, state="rebuilt"),
            capsule.call("vnfs_image", name="debian"),
        ]
    finally:
        capsule.run("umount", point)
        os.rmdir(capsule.path(point))
    for result, verb in zip(results, ("remove", "replace", "publish")):
        assert result["failed"]
        assert result["msg"].startswith(f"Cannot {verb} ")
        assert repr(point) in result["msg"]
    assert (precious / "file").read_text() == "alive"


@pytest.mark.parametrize("name", ["../etc", "a b", ".lock", ""])
def test_a_hostile_name_is_no_vnfs(master: Master, name: str) -> None:
    assert "Cannot name a VNFS" in master.call("vnfs", name=name, state="absent")["msg"]


def test_removing_what_is_not_there_changes_nothing(master: Master) -> None:
    assert master.do("vnfs", name="nothing", state="absent")["action"] == "none"
