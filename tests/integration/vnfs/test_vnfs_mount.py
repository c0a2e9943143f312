# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounting, unmounting and closing a VNFS, and that neither processes nor mounts in its tree come to harm."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from pathlib import Path

from .small import Small

STORE = "/var/lib/perceus/vnfs"


def test_whoever_mounts_a_vnfs_publishes_and_hands_it_back(small: Small) -> None:
    done = small.check_and_do("vnfs_mount")
    assert (done["action"], done["mounted"]["who"], done["shell"]) == ("mount", "root", "vnfs-shell small")
    (found,) = small.do("vnfs_info")["vnfs"]
    assert found["mounted"] == done["mounted"]
    small.change("1")
    done = small.check_and_do("vnfs_mount", state="unmounted")
    assert (done["action"], done["image"]["action"]) == ("unmount", "publish")
    assert small.current == done["image"]["generation"]
    assert small.do("vnfs_info")["vnfs"][0]["mounted"] is None


def test_handing_back_may_leave_publishing_for_later(small: Small) -> None:
    small.do("vnfs_mount")
    assert "image" not in small.check_and_do("vnfs_mount", state="unmounted", publish=False)
    assert not (small.folder / "current").exists()


def test_while_somebody_has_it_others_neither_publish_nor_replace(small: Small) -> None:
    record = small.folder.with_name(f".{small.name}.mounted")
    record.write_text('{"who": "alice", "since": "2030-01-01T00:00:00Z"}')
    for module, options in (
        ("vnfs_image", {}),
        ("vnfs", {"state": "rebuilt"}),
        ("vnfs", {"state": "absent", "force": True}),
        ("vnfs", {"state": "renamed", "new_name": "renamed"}),
        ("vnfs_mount", {}),
        ("vnfs_mount", {"state": "unmounted"}),
        ("vnfs_mount", {"state": "closed"}),
    ):
        assert "alice has it mounted since 2030-01-01T00:00:00Z" in small.refuse(module, **options)
    assert small.do("vnfs_command", argv=["cat", "/etc/passwd"])["stdout"].startswith("root:")
    assert small.check_and_do("vnfs_mount", force=True)["mounted"]["who"] == "root"


def test_closing_goes_back_to_what_was_published(small: Small) -> None:
    (small.tree / "srv/kept").write_text("kept")
    (small.tree / "srv/kept").chmod(0o4750)
    os.setxattr(small.tree / "srv", "trusted.note", b"\0\xff")
    subprocess.run(["setfacl", "--modify", "user:1234:rwx", small.tree / "srv/kept"], check=True)
    generation = small.publish("1")
    small.do("vnfs", keep=7)
    small.do("vnfs_mount")
    small.change("2")
    (small.tree / "srv/kept").unlink()
    (small.tree / "srv/added").write_text("added")
    done = small.check_and_do("vnfs_mount", state="closed")
    assert (done["action"], done["generation"]) == ("close", generation)
    lost = {change["name"]: change["change"] for change in done["lost"]["files"]}
    del lost["usr/lib/perceus/acls"]  # which publishing makes
    assert lost == {"srv/added": "removed", "srv/changed": "content", "srv/kept": "added"}
    assert (small.tree / "srv/changed").read_text() == "1"
    assert not (small.tree / "srv/added").exists()
    assert (
        "user:1234:rwx"
        in subprocess.run(
            ["getfacl", "--omit-header", small.tree / "srv/kept"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    )
    again = small.do("vnfs_image")
    assert (again["action"], again["generation"]) == ("none", generation)
    assert small.do("vnfs_info")["vnfs"][0]["options"]["keep"]["value"] == 7


def test_closing_an_unchanged_tree_only_hands_it_back(small: Small) -> None:
    assert "nothing is published" in small.refuse("vnfs_mount", state="closed")
    small.publish("1")
    inode = small.tree.stat().st_ino
    small.do("vnfs_mount")
    done = small.do("vnfs_mount", state="closed")
    assert (done["changed"], done["action"], small.tree.stat().st_ino) == (True, "none", inode)
    assert not small.do("vnfs_mount", state="closed")["changed"]


PROCESSES = {
    "working directory": ["sh", "-c", "cd {tree}/srv && exec sleep 1000"],
    "open file": ["sh", "-c", "exec 3< {tree}/etc/passwd && exec sleep 1000"],
    "program": ["sh", "-c", "exec {tree}/usr/bin/sleep 1000"],
    "root": ["chroot", "{tree}", "sleep", "1000"],
    "root elsewhere": ["bwrap", "--die-with-parent", "--bind", "{tree}", "/", "--proc", "/proc", "--", "sleep", "1000"],
}


def test_what_works_in_the_tree_is_named_and_nothing_is_half_done(small: Small) -> None:
    small.publish("1")
    small.do("vnfs_mount")
    small.change("2")
    served = small.current
    with contextlib.ExitStack() as running:
        begun = []
        for argv in PROCESSES.values():
            command = small.master.command(*(part.format(tree=f"{STORE}/{small.name}/rootfs") for part in argv))
            process = running.enter_context(subprocess.Popen(command))
            running.callback(process.kill)
            begun.append(await_sleep(process.pid))
        for state in ("unmounted", "closed"):
            message = small.refuse("vnfs_mount", state=state)
            for pid, holds in zip(begun, PROCESSES):
                assert re.search(rf"process {pid} \([^)]*sleep 1000\) with its {holds.split(' elsewhere')[0]}", message)
    assert (small.current, small.generations) == (served, {served})
    assert (small.tree / "srv/changed").read_text() == "2"
    assert small.do("vnfs_mount", state="unmounted")["image"]["action"] == "publish"


def await_sleep(pid: int) -> int:
    """Wait until a process, or one that it started, has become sleep(1), and return its number."""
    deadline = time.monotonic() + 10
    while True:
        for one in (pid, *_descendants(pid)):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{one}/comm").read_text() == "sleep\n":
                    return one
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.02)


def _descendants(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(below for child in found for below in _descendants(child))]


POINTS = ("srv/a b", "srv/new\nline", r"srv/\040", "srv/outer/inner", "srv/link/through")


def test_what_is_mounted_in_a_tree_survives_every_verb(small: Small) -> None:
    """The mounts are of the same file system as the tree."""
    master = small.master
    precious = master.path("/var/lib/perceus/precious")
    precious.mkdir(exist_ok=True)
    (precious / "file").write_text("alive")
    small.publish("1")
    small.do("vnfs_mount")
    small.change("2")
    (small.tree / "srv/real").mkdir()
    (small.tree / "srv/link").symlink_to("real")
    capsule = small.do("vnfs_capsule", state="exported")
    imported = {"state": "imported", "source": capsule["capsule"], "checksum": capsule["checksum"], "force": True}
    targets = [f"{STORE}/{small.name}/rootfs/{point}" for point in POINTS]
    for target in targets:
        master.run("mkdir", "-p", target)
        master.run("mount", "--bind", "/var/lib/perceus/precious", target)
    try:
        refused = {
            "publish": small.refuse("vnfs_image"),
            "rebuild": small.refuse("vnfs", state="rebuilt"),
            "delete": small.refuse("vnfs", state="absent", force=True),
            "rename": small.refuse("vnfs", state="renamed", new_name="renamed"),
            "umount": small.refuse("vnfs_mount", state="unmounted"),
            "close": small.refuse("vnfs_mount", state="closed"),
            "import": small.refuse("vnfs_capsule", **imported),
        }
        assert (precious / "file").read_text() == "alive"
    finally:
        for target in targets:
            master.run("umount", target)
    shown = [repr(target.replace("/link/", "/real/")) for target in targets]
    assert {verb: [point for point in shown if point not in words] for verb, words in refused.items()} == {
        verb: [] for verb in refused
    }
    assert small.do("vnfs_mount", state="closed")["action"] == "close"
