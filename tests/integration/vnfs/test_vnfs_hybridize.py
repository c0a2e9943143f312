# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves an image by the option ``hybridize``, with real mksquashfs and overlayfs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests import zoo

from .small import Small

TEXT = "srv/zoo/NOT-HERE.perceus"
# The root of a node, with the layer from the NFS server and without it. Arguments: a folder, the images.
ASSEMBLE = """set -eu
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir lower hybrid rw root
mount -t tmpfs tmpfs rw
mkdir rw/upper rw/work
mount -t squashfs -o loop,ro "$2" lower
[ -z "$3" ] || mount -t squashfs -o loop,ro "$3" hybrid
lower="${3:+hybrid:}lower"
mount -t overlay -o "lowerdir=$lower,upperdir=rw/upper,workdir=rw/work,index=on" overlay root
ls -A root/srv/zoo
"""


def assemble(tmp_path: Path, image: Path, hybrid: Path | None) -> list[str]:
    """What is in the folder that left, on a node."""
    argv = ["unshare", "--mount", "sh", "-c", ASSEMBLE, "sh", str(tmp_path), str(image), str(hybrid or "")]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def test_what_leaves_an_image_is_in_the_second_and_a_text_in_the_first(small: Small, tmp_path: Path) -> None:
    (small.tree / "srv/zoo").mkdir()
    for name in ("lion", "bear"):
        (small.tree / "srv/zoo" / name).write_text(name)
    small.do("vnfs", hybridize=["/srv/zoo"])
    whole = small.publish("1")
    image = small.folder / "images" / whole
    assert assemble(tmp_path, image / "rootfs.squashfs", None) == ["NOT-HERE.perceus"]
    assert sorted(assemble(tmp_path, image / "rootfs.squashfs", image / "hybrid.squashfs")) == ["bear", "lion"]
    assert small.do("vnfs_image")["action"] == "none"
    (image / "hybrid.squashfs").unlink()
    assert small.do("vnfs_image")["action"] == "publish"  # the generation was not whole

    small.do("vnfs", hybridize=[])
    assert small.do("vnfs_image")["generation"] != whole
    assert not (small.folder / "current/hybrid.squashfs").exists()


def test_closing_brings_back_what_left_with_everything_about_it(small: Small) -> None:
    zoo.plant(small.tree / "srv/zoo")
    small.do("vnfs", hybridize=["/srv/zoo", "/usr/bin/cpio"])
    small.publish("1")
    before = zoo.describe(small.tree / "srv/zoo")
    (small.tree / "srv/zoo/setuid").unlink()
    small.do("vnfs_mount", state="closed")
    assert zoo.describe(small.tree / "srv/zoo") == before
    assert (small.tree / "usr/bin/cpio").exists()


def test_what_a_node_needs_to_come_up_does_not_leave(small: Small) -> None:
    small.do("vnfs", hybridize=["/usr/bin"])
    assert "its tree has no dracut, curl, zstd, tar" in small.refuse("vnfs_image")
    assert "Cannot hybridize in root mode 'ram'" in small.refuse("vnfs", root_mode="ram")
