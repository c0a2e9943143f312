# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.apt import Distribution
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import walk_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.content import Header
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.packages import Installed, Package
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.sizes import (
    HEADROOM,
    MIB,
    Usage,
    find_limits,
    largest_packages,
    largest_paths,
    measure_savings,
    memory_floor,
)


def header(*, image: int, initramfs: int) -> Header:
    files = {"rootfs.squashfs": {"size": image}, "initramfs.img": {"size": initramfs}}
    return Header("a" * 16, "2030-01-01T00:00:00Z", "6.1", "", "overlay", files, 1, 1)


def file(name: str, size: int, **more: str) -> Entry:
    return Entry(name, "file", 0o644, 0, 0, size=size, **more)  # type: ignore[arg-type]


def test_the_headroom_is_that_of_the_first_stage(installed: Path) -> None:
    script = installed / "roles/vnfs_store/files/node/usr/lib/dracut/modules.d/90perceus/perceus-root.sh"
    match = re.search(r"^HEADROOM_KIB=(\d+)", script.read_text(), re.MULTILINE)
    assert match is not None
    assert int(match[1]) * 1024 == HEADROOM


def test_the_memory_floor_is_what_was_measured() -> None:
    """By `make bench-boot`: a tree of 138 MiB boots with 272; with a smaller initramfs one did with 256, not 192."""
    assert 256 * MIB < memory_floor(header(image=144_556_032, initramfs=16_471_174)) <= 272 * MIB
    assert 192 * MIB < memory_floor(header(image=152_000_000, initramfs=1_200_000)) <= 256 * MIB


def test_unpacking_takes_the_trees_size_and_whole_pages_beside_the_image() -> None:
    packed = header(image=100 * MIB, initramfs=MIB)
    unpacked = replace(packed, root_mode="ram", tree_size=300 * MIB, tree_files=256)
    assert memory_floor(unpacked) - memory_floor(packed) == 301 * MIB


def test_limits_that_are_crossed_are_told_from_those_that_are_not() -> None:
    crossed = [limit.limit // MIB for limit in find_limits(header(image=300 * MIB, initramfs=MIB)) if limit.crossed]
    assert crossed == [256]
    huge = [limit for limit in find_limits(header(image=MIB, initramfs=2048 * MIB)) if limit.crossed]
    assert [limit.subject for limit in huge] == ["memory"] * 4 + ["initramfs.img"]


def test_paths_are_counted_with_what_is_below_them() -> None:
    entries = [
        Entry("", "folder", 0o755, 0, 0),
        Entry("usr", "folder", 0o755, 0, 0),
        file("usr/a", 5),
        file("usr/lib/b", 7),
        file("usr/lib/twin", 7, same="usr/lib/b"),
        file("etc/c", 3),
    ]
    assert largest_paths(entries, count=4) == [
        Usage("usr", 12, 2),
        Usage("usr/lib/b", 7, 1),
        Usage("usr/lib", 7, 1),
        Usage("usr/a", 5, 1),
    ]


def test_the_largest_packages_come_first() -> None:
    packages = tuple(Package(name, "1", "all", size=size) for name, size in (("a", 1), ("b", 3), ("c", 2)))
    found = largest_packages(Installed("deb", Distribution("debian"), packages), count=2)
    assert [usage.name for usage in found] == ["b", "c"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, content in (
        ("usr/share/doc/a/copyright", b"word " * 100_000),
        ("usr/share/doc/b/copyright", b"other " * 100_000),
        ("usr/bin/random", bytes(i * 7919 % 251 for i in range(50_000))),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_a_saving_is_what_the_files_take_when_compressed(tree: Path) -> None:
    options = Options(hybridize=("/usr/share/doc", "/usr/share/doc/a", "/usr/bin/", "/nowhere"))
    found = list(measure_savings(tree, walk_tree(tree), options, runner=CommandRunner()))
    assert [(saving.pattern, saving.files, saving.size) for saving in found] == [
        ("/usr/share/doc", 2, 1_100_000),
        ("/usr/share/doc/a", 0, 0),  # counted for the first that matches
        ("/usr/bin/", 1, 50_000),
        ("/nowhere", 0, 0),
    ]
    assert [saving.ram > 0 for saving in found] == [True, False, True, False]
    assert found[0].ram < found[0].size / 10
