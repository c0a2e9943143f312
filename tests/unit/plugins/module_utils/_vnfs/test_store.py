# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import (
    Vnfs,
    building,
    current_generation,
    flip,
    held,
    install_tree,
    list_generations,
    list_vnfs,
    mounts_below,
    remove_generation,
    remove_vnfs,
    vnfs_in,
)

OLD, NEW = "a" * 16, "b" * 16


@pytest.fixture
def vnfs(tmp_path: Path) -> Vnfs:
    """A VNFS with a tree and two generations, the newer one served."""
    vnfs = vnfs_in(tmp_path, "debian")
    vnfs.rootfs.mkdir(parents=True)
    (vnfs.rootfs / "file").write_text("old")
    vnfs.recipe_file.write_text("old")
    for generation, year in ((NEW, 2031), (OLD, 2030)):
        (vnfs.images / generation).mkdir(parents=True)
        header = {"created": f"{year}-01-01T00:00:00Z"}
        (vnfs.images / generation / "image.json").write_text(json.dumps(header))
    flip(vnfs, NEW)
    return vnfs


def test_generations_are_listed_by_the_date_in_their_headers(vnfs: Vnfs) -> None:
    (vnfs.images / "leftover").mkdir()
    assert list_generations(vnfs) == [OLD, NEW]


def test_flipping_moves_what_is_served(vnfs: Vnfs) -> None:
    flip(vnfs, OLD)
    assert os.readlink(vnfs.current) == f"images/{OLD}"
    assert current_generation(vnfs) == OLD


@pytest.mark.parametrize("target", ["images/../../etc", "/etc", f"images/{OLD}/x"])
def test_a_link_elsewhere_is_no_generation(vnfs: Vnfs, target: str) -> None:
    vnfs.current.unlink()
    vnfs.current.symlink_to(target)
    assert current_generation(vnfs) is None


def test_only_vnfss_are_listed(vnfs: Vnfs) -> None:
    with held(vnfs):
        assert [found.name for found in list_vnfs(vnfs.folder.parent)] == ["debian"]
    assert list_vnfs(vnfs.folder / "nowhere") == []


def test_who_only_looks_leaves_no_lock(vnfs: Vnfs) -> None:
    with held(vnfs, writing=False):
        pass
    assert not vnfs.lock.exists()


def test_what_is_made_under_the_lock_can_be_read(vnfs: Vnfs) -> None:
    before = os.umask(0o077)
    try:
        with held(vnfs):
            (vnfs.folder / "made").mkdir()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert (vnfs.folder / "made").stat().st_mode & 0o777 == 0o755


def test_a_new_tree_takes_the_place_of_the_old(vnfs: Vnfs) -> None:
    with building(vnfs) as folder:
        (folder / "rootfs").mkdir()
        (folder / "vnfs.yml").write_text("new")
        install_tree(vnfs, folder)
    assert vnfs.recipe_file.read_text() == "new"
    assert list(vnfs.rootfs.iterdir()) == []
    assert sorted(path.name for path in vnfs.folder.iterdir()) == ["current", "images", "rootfs", "vnfs.yml"]


@pytest.mark.parametrize("recipe", ["old", "new"])
def test_a_swap_that_was_cut_short_is_undone(vnfs: Vnfs, recipe: str) -> None:
    """Killed between the renames, before or after the new recipe was in place."""
    vnfs.old.mkdir()
    (vnfs.old / "vnfs.yml").write_text("old")
    vnfs.rootfs.rename(vnfs.old / "rootfs")
    vnfs.recipe_file.write_text(recipe)
    with held(vnfs):
        pass
    assert (vnfs.rootfs / "file").read_text() == "old"
    assert vnfs.recipe_file.read_text() == "old"
    assert not vnfs.old.exists()


def test_leftovers_of_the_dead_go_with_the_next_lock(vnfs: Vnfs) -> None:
    (vnfs.folder / ".tmp.abc" / "rootfs").mkdir(parents=True)
    (vnfs.folder / ".tmp.current").symlink_to("images/nowhere")
    (vnfs.folder / "initramfs").mkdir()
    for name in ("..seen.abc", ".vnfs.yml.abc", "initramfs/.made.json.abc"):  # as write_atomically names them
        (vnfs.folder / name).touch()
    (vnfs.gone / "rootfs").mkdir(parents=True)
    with held(vnfs):
        pass
    left = sorted(path.name for path in vnfs.folder.iterdir())
    assert left == ["current", "images", "initramfs", "rootfs", "vnfs.yml"]
    assert list((vnfs.folder / "initramfs").iterdir()) == []
    assert not vnfs.gone.exists()
    assert current_generation(vnfs) == NEW


def test_a_generation_and_a_vnfs_go_altogether(vnfs: Vnfs) -> None:
    remove_generation(vnfs, OLD)
    assert list_generations(vnfs) == [NEW]
    remove_vnfs(vnfs)
    assert list(vnfs.folder.parent.iterdir()) == []


@pytest.mark.parametrize("linked", [False, True])
def test_a_tree_must_be_a_folder_of_its_own(tmp_path: Path, linked: bool) -> None:
    vnfs = vnfs_in(tmp_path, "debian")
    vnfs.folder.mkdir()
    if linked:
        vnfs.rootfs.symlink_to("/")
    with pytest.raises(PerceusError, match="Cannot use VNFS 'debian': it has no rootfs"):
        vnfs.require_tree()


def test_mount_points_are_found_whatever_their_names() -> None:
    mountinfo = (
        rb"21 1 8:1 / / rw - ext4 /dev/sda rw" + b"\n"
        rb"22 21 8:1 /x /vnfs/a/srv/with\040space rw shared:1 - ext4 /dev/sda rw" + b"\n"
        rb"23 21 8:1 /x /vnfs/a/srv/new\012line\134 rw - ext4 /dev/sda rw" + b"\n"
        rb"24 21 8:1 /x /vnfs/ab rw - ext4 /dev/sda rw" + b"\n"
        rb"25 21 8:1 /x /vnfs/a rw - tmpfs none rw" + b"\n"
    )
    assert mounts_below(mountinfo, b"/vnfs/a") == [b"/vnfs/a", b"/vnfs/a/srv/new\nline\\", b"/vnfs/a/srv/with space"]


def test_going_back_can_itself_be_cut_short(vnfs: Vnfs) -> None:
    vnfs.old.mkdir()
    vnfs.rootfs.rename(vnfs.old / "rootfs")  # the recipe is back in its place already
    with held(vnfs):
        assert (vnfs.rootfs / "file").read_text() == "old"
        assert vnfs.recipe_file.read_text() == "old"
