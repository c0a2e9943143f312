# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's first stage gives files the access control lists that squashfs has not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.manifest import walk_tree

from tests import zoo

PROGRAMS = ("sh", "sed", "chmod", "setfacl")
# The first stage in short. Arguments: image, the program that describes, folder to describe.
BOOT = """set -eu
mount -t tmpfs node /mnt
cd /mnt
mkdir lower rw root
mount -t squashfs -o loop,ro "$1" lower
mount -t tmpfs -o mode=0755 rw rw
mkdir rw/upper rw/work
mount -t overlay -o lowerdir=lower,upperdir=rw/upper,workdir=rw/work,index=on overlay root
chroot root /usr/lib/perceus/restore-acls
"$2" "$3" root/srv/zoo
"""


@pytest.fixture
def tree(tmp_path: Path, installed: Path) -> Iterator[Path]:
    root = tmp_path / "tree"
    for folder in ("usr/bin", "usr/lib/perceus", "srv"):
        (root / folder).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    for program in map(shutil.which, PROGRAMS):
        assert program is not None
        libraries = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
        shutil.copy2(program, root / "usr/bin")
        for library in re.findall(r"(/\S+) \(0x", libraries):
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library, root / library[1:])
    shutil.copy2(installed / "roles/vnfs_store/files/node/usr/lib/perceus/restore-acls", root / "usr/lib/perceus")
    zoo.plant(root / "srv/zoo")
    yield root


def test_a_node_has_the_lists_that_the_tree_has(tree: Path, tmp_path: Path) -> None:
    planted = zoo.describe(tree / "srv/zoo")
    (tree / "usr/lib/perceus/acls").write_bytes(os.fsencode(walk_tree(tree).acls))
    image = tmp_path / "image"
    subprocess.run(["mksquashfs", tree, image, "-quiet", "-no-progress", "-comp", "zstd"], check=True)
    boot = ["unshare", "--mount", "sh", "-c", BOOT, "sh", str(image), sys.executable, zoo.__file__]
    booted = subprocess.run(boot, stdout=subprocess.PIPE, check=True).stdout
    assert json.loads(booted) == planted
    assert sum("system.posix_acl_access" in file["attributes"] for file in planted) == len(zoo.NAMES) + 2
