# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``vnfs_image`` with real dracut and mksquashfs: what an image holds, and that it is whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import load_current_image

from .conftest import Master

FILES = ["SHA256SUMS", "image.json", "initramfs.img", "manifest.json", "packages.json", "rootfs.squashfs", "vmlinuz"]


def served(master: Master) -> str:
    """The generation that is served, all of whose files are what its sums say."""
    current = master.vnfs / "current"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=current, check=True)
    assert sorted(path.name for path in current.iterdir()) == FILES
    return os.readlink(current).removeprefix("images/")


def look(master: Master) -> dict[str, tuple[int, int]]:
    """Every file of the VNFS with its inode and the time of its last change of any kind."""
    return {
        str(path): (status.st_ino, status.st_ctime_ns)
        for path in (master.vnfs, *master.vnfs.rglob("*"))
        for status in [path.lstat()]
    }


@pytest.fixture
def changed(image: Master) -> Iterator[Path]:
    """A file that makes the tree another one while the test runs."""
    file = image.vnfs / "rootfs/srv/changed"
    file.write_text(str(time.time_ns()))
    yield file
    file.unlink(missing_ok=True)


def test_a_tree_is_published_once(published: list[dict[str, Any]]) -> None:
    assert [(result["action"], result["changed"]) for result in published] == [
        ("publish", True),
        ("publish", True),
        ("none", False),
        ("none", False),
    ]
    assert len({result["generation"] for result in published}) == 1


def test_the_boot_path_reads_the_header(image: Master) -> None:
    generation = image.do("vnfs_image", name="debian")["generation"]
    found = load_current_image(image.vnfs.parent, "debian")
    assert found is not None
    assert found.generation == generation == served(image)
    assert found.size == (image.vnfs / "current/rootfs.squashfs").stat().st_size
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (image.vnfs / "current").iterdir()}
    assert modes == {0o644}


def test_an_unchanged_tree_is_not_touched(image: Master) -> None:
    image.do("vnfs_image", name="debian")
    before = look(image)
    assert not image.do("vnfs_image", name="debian")["changed"]
    assert look(image) == before


def test_a_command_that_changes_nothing_makes_no_generation(image: Master) -> None:
    before = image.do("vnfs_image", name="debian")["generation"]
    image.inside("true")
    assert image.do("vnfs_image", name="debian", _ansible_check_mode=True)["generation"] == before


def _squashfs() -> str:
    return "/var/lib/perceus/vnfs/debian/current/rootfs.squashfs"


def test_no_machines_identity_gets_into_the_image(image: Master) -> None:
    tree = image.vnfs / "rootfs"
    (tree / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (tree / "var/log/syslog").write_text("words\n")
    (tree / "tmp/left").write_text("over\n")
    try:
        assert (tree / "etc/ssh/ssh_host_ed25519_key").exists()
        image.do("vnfs_image", name="debian")
        listing = image.run("unsquashfs", "-lln", _squashfs())
        names = [line.split()[-1] for line in listing.splitlines()]
        assert [name for name in names if "ssh_host_" in name or name.endswith(("/syslog", "/left"))] == []
        (machine_id,) = [line.split() for line in listing.splitlines() if line.endswith("/etc/machine-id")]
        assert machine_id[:3] == ["-r--r--r--", "0/0", "0"]
        assert [name for name in names if "/apt/lists/" in name] == []
    finally:
        (tree / "etc/machine-id").write_text("")
        (tree / "var/log/syslog").unlink()
        (tree / "tmp/left").unlink()


def test_the_difference_is_told_file_by_file(image: Master, changed: Path) -> None:
    os.unlink(changed)
    image.do("vnfs_image", name="debian")
    changed.write_text("changed")
    diff = image.do("vnfs_image", name="debian", _ansible_check_mode=True, _ansible_diff=True)["diff"]
    assert diff["before"] == ""
    assert [json.loads(line)["name"] for line in diff["after"].splitlines()] == ["srv/changed"]


def test_a_publish_that_fails_leaves_what_was_served(image: Master, changed: Path) -> None:
    del changed
    before = served(image)
    dracut = image.vnfs / "rootfs/usr/bin/dracut"
    dracut.rename(dracut.with_name("dracut.away"))
    dracut.write_text("#!/bin/sh\nexit 9\n")
    dracut.chmod(0o755)
    try:
        result = image.call("vnfs_image", name="debian")
    finally:
        dracut.with_name("dracut.away").rename(dracut)
    assert result["failed"]
    assert "'dracut'" in result["msg"]
    assert served(image) == before
    assert list(image.vnfs.glob(".tmp.*")) == []


def test_a_tree_that_is_as_it_was_makes_its_generation_current_again(image: Master, changed: Path) -> None:
    content = changed.read_text()
    times = changed.stat().st_mtime_ns
    changed.unlink()
    image.do("vnfs", name="debian", keep=9)
    first = image.do("vnfs_image", name="debian")["generation"]
    changed.write_text(content)
    os.utime(changed, ns=(times, times))
    second = image.do("vnfs_image", name="debian")["generation"]
    changed.unlink()
    back = image.do("vnfs_image", name="debian")
    assert (back["action"], back["generation"], served(image)) == ("flip", first, first)
    image.do("vnfs", name="debian", keep=1)
    pruned = image.do("vnfs_image", name="debian")
    assert (pruned["action"], pruned["changed"]) == ("none", True)
    assert second in pruned["pruned"]
    assert [path.name for path in (image.vnfs / "images").iterdir()] == [first]
    assert served(image) == first


def test_a_broken_image_is_mended_by_publishing_again(image: Master) -> None:
    generation = image.do("vnfs_image", name="debian")["generation"]
    squashfs = image.vnfs / "current/rootfs.squashfs"
    squashfs.write_bytes(squashfs.read_bytes()[:-1] + b"!")
    mended = image.do("vnfs_image", name="debian")
    assert (mended["action"], mended["generation"]) == ("publish", generation)
    assert served(image) == generation
    (image.vnfs / "current/image.json").unlink()
    (image.vnfs / "current/manifest.json").unlink()
    assert image.do("vnfs_image", name="debian", _ansible_check_mode=True, _ansible_diff=True)["action"] == "publish"
    image.do("vnfs_image", name="debian")
    assert served(image) == generation


def test_options_that_shape_the_image_make_another_generation(image: Master) -> None:
    plain = image.do("vnfs_image", name="debian", _ansible_check_mode=True)["generation"]
    image.do("vnfs", name="debian", kernel_args="quiet")
    quiet = image.do("vnfs_image", name="debian", _ansible_check_mode=True)["generation"]
    image.do("vnfs", name="debian", kernel_args="")
    assert plain != quiet
    result = image.call("vnfs", name="debian", kernel_args="a && reboot")
    assert "Cannot use 'a && reboot' as kernel arguments" in result["msg"]


def test_an_initramfs_is_made_once_for_what_goes_into_it(image: Master, changed: Path) -> None:
    """A changed file of the site's is in no initramfs; curl, a kernel module and dracut's configuration are."""
    tree = image.vnfs / "rootfs"

    def publish() -> tuple[int, str]:
        """The inode and the checksum of the initramfs that is served."""
        image.do("vnfs_image", name="debian")
        file = image.vnfs / "current/initramfs.img"
        return file.stat().st_ino, hashlib.sha256(file.read_bytes()).hexdigest()

    first = publish()
    changed.write_text("other")
    assert publish() == first

    (module,) = tree.glob("usr/lib/modules/*/kernel/fs/overlayfs/overlay.ko")
    for file in (tree / "usr/bin/curl", module):
        kept = file.with_name("kept")
        file.rename(kept)
        file.write_bytes(kept.read_bytes() + b"\0")
        file.chmod(kept.stat().st_mode)
        try:
            assert publish()[1] != first[1], file
        finally:
            kept.rename(file)
    conf = tree / "etc/dracut.conf.d/site.conf"
    conf.write_text('install_items+=" /usr/bin/getent "\n')
    try:
        assert publish()[1] != first[1]
    finally:
        conf.unlink()
    assert publish()[1] == first[1], "the same inputs gave another initramfs"


@pytest.mark.usefixtures("changed")
def test_an_initramfs_that_was_damaged_is_made_again(image: Master) -> None:
    generation = image.do("vnfs_image", name="debian")["generation"]
    kept = image.vnfs / "initramfs/initramfs.img"
    kept.write_bytes(b"!")  # and with it those of the generations that share it
    assert image.do("vnfs_image", name="debian")["action"] == "publish"
    assert served(image) == generation


def test_a_trees_own_programs_cannot_lead_the_master_elsewhere(image: Master) -> None:
    """Links in the folder that dracut writes to: what the master writes beside is not led by them to its own files."""
    before = image.do("vnfs_image", name="debian")["generation"]
    victim = image.path("/var/lib/perceus/victim")
    victim.write_text("untouched")
    dracut = image.vnfs / "rootfs/usr/bin/dracut"
    dracut.rename(dracut.with_name("dracut.real"))
    links = " ".join(f"/run/perceus/{name}" for name in FILES if name != "initramfs.img")
    traps = f"for link in {links}; do ln -sf /var/lib/perceus/victim $link; done"
    dracut.write_text(f'#!/bin/bash\n{traps}\nexec dracut.real "$@"\n')
    dracut.chmod(0o755)
    try:
        image.do("vnfs_image", name="debian")
        assert served(image) != before
        assert all(path.is_file() and not path.is_symlink() for path in (image.vnfs / "current").iterdir())
        assert victim.read_text() == "untouched"
    finally:
        dracut.with_name("dracut.real").rename(dracut)
        victim.unlink()
