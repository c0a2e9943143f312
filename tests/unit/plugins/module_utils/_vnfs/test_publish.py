# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.manifest import Entry, Manifest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.options import Options
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish import (
    Plan,
    build_dracut_argv,
    build_mksquashfs_argv,
    diff_images,
    find_kernel_release,
    plan_publish,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs, flip

A, B, C, D = (letter * 16 for letter in "abcd")


def plan(generation: str, *, current: str | None, published: tuple[str, ...], keep: int = 3) -> Plan:
    manifest = Manifest(entries=(), scrubbed=("etc/machine-id", "tmp/a b"), stripped=())
    return Plan("debian", manifest, Options(keep=keep), "6.1.0", generation, current, published)


@pytest.mark.parametrize(
    ("current", "published", "action"),
    [(None, (), "publish"), (A, (A,), "publish"), (B, (A, B), "none"), (A, (A, B), "flip")],
)
def test_what_publishing_does(current: str | None, published: tuple[str, ...], action: str) -> None:
    assert plan(B, current=current, published=published).action == action


@pytest.mark.parametrize(
    ("generation", "published", "keep", "pruned"),
    [
        (D, (A, B, C), 3, (A,)),
        (D, (A, B, C), 1, (A, B, C)),
        (A, (A, B, C), 2, (B,)),  # current again though it is the oldest
        (A, (A, B, C), 3, ()),
        (D, (), 1, ()),
    ],
)
def test_the_oldest_go_and_the_served_one_never(
    generation: str, published: tuple[str, ...], keep: int, pruned: tuple[str, ...]
) -> None:
    assert plan(generation, current=None, published=published, keep=keep).pruned == pruned


def test_pruning_alone_is_a_change() -> None:
    assert plan(B, current=B, published=(A, B), keep=1).changed
    assert not plan(B, current=B, published=(A, B), keep=2).changed


def test_the_newest_kernel_is_taken_by_number() -> None:
    names = ["boot/vmlinuz-6.1.0-9-amd64", "boot/vmlinuz-6.1.0-10-amd64", "boot/config-7", "srv/boot/vmlinuz-9", "boot"]
    assert find_kernel_release(names) == "6.1.0-10-amd64"


def test_the_kernel_that_is_wanted_is_taken_or_missed_by_name() -> None:
    names = ["boot/vmlinuz-6.1.0-9-amd64", "boot/vmlinuz-6.1.0-10-amd64"]
    assert find_kernel_release(names, wanted="6.1.0-9-amd64") == "6.1.0-9-amd64"
    with pytest.raises(
        PerceusError, match=r"Cannot publish kernel '6\.2': the tree has 6\.1\.0-10-amd64, 6\.1\.0-9-amd64"
    ):
        find_kernel_release(names, wanted="6.2")


@pytest.mark.parametrize("names", [[], ["boot/vmlinuz-../../x"], ["vmlinuz"]])
def test_a_tree_without_a_kernel_is_not_published(names: list[str]) -> None:
    with pytest.raises(PerceusError, match="Cannot publish without a kernel"):
        find_kernel_release(names)


def test_the_command_lines() -> None:
    first = plan(A, current=None, published=())
    assert build_dracut_argv(first) == [
        *("dracut", "--quiet", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--reproducible"),
        *("--compress", "zstd -3 -T0"),
        *("--modules", "base perceus", "--tmpdir", "/tmp", "--kver", "6.1.0", "/run/perceus/initramfs.img"),
    ]
    argv = build_mksquashfs_argv(first, rootfs=Path("/tree"), target=Path("/out"))
    assert argv == [
        *("mksquashfs", "/tree", "/out", "-noappend", "-no-progress", "-quiet", "-xattrs"),
        *("-comp", "zstd", "-Xcompression-level", "3"),
        *("-p", "etc/machine-id F 0 444 0 0 true", "-e", "etc/machine-id", "tmp/a b"),
    ]


def test_a_diff_has_only_the_files_that_differ(tmp_path: Path) -> None:
    vnfs = Vnfs(tmp_path / "debian")
    same, old, new = (Entry(name, "file", 0o644, 0, 0, sha256=name * 8) for name in ("same", "old", "new"))
    (vnfs.images / A).mkdir(parents=True)
    (vnfs.images / A / "manifest.json").write_text(Manifest((old, same), (), ()).render())
    flip(vnfs, A)
    changed = Plan("debian", Manifest((new, same), (), ()), Options(), "6.1.0", B, A, (A,))
    diff = diff_images(changed, vnfs)
    assert diff["before"] == f"{old.render()}\n"
    assert diff["after"] == f"{new.render()}\n"


def test_a_vnfs_without_a_tree_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(PerceusError, match="Cannot use VNFS 'debian': it has no rootfs"):
        plan_publish(Vnfs(tmp_path / "debian"), Options())
