# SPDX-License-Identifier: GPL-3.0-or-later
"""Two builds from the same packages, minutes apart, are one generation."""

from __future__ import annotations

import difflib

from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import walk_tree

from .conftest import RECIPE, Master


def test_two_builds_from_the_same_packages_make_the_same_tree(capsule: Master, pristine: tuple[str, ...]) -> None:
    again = capsule.vnfs.parent / "again"
    capsule.do("vnfs", **{**RECIPE, "name": "again"})
    try:
        lines = walk_tree(again / "rootfs").lines
        assert len(lines) > 10_000
        assert list(difflib.unified_diff(pristine, lines, lineterm="", n=0)) == []
    finally:
        capsule.do("vnfs", name="again", state="absent")


def test_the_same_tree_makes_the_same_image_byte_for_byte(image: Master) -> None:
    """Publishing again, from nothing, what is published already: header and date aside, it is the very same."""
    names = ("vmlinuz", "initramfs.img", "rootfs.squashfs", "manifest.json", "packages.json")
    folder = image.vnfs / "current"
    generation = image.do("vnfs_image", name="debian")["generation"]
    first = {name: (folder / name).read_bytes() for name in names}
    (folder / "rootfs.squashfs").write_bytes(b"!")
    (image.vnfs / "initramfs/made.json").unlink()
    assert image.do("vnfs_image", name="debian")["generation"] == generation
    assert [name for name in names if (folder / name).read_bytes() != first[name]] == []
