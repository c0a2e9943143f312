# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of this host's loop devices hold a file of the lab."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from lab import process


def loop_devices(*, below: Path) -> list[str]:
    """The loop devices whose file lies below a folder.

    A container's loop devices carry the path that the container saw: the file is told by device and inode instead.
    """
    listing = process.run(["losetup", "--json", "--output", "NAME,BACK-INO,BACK-MAJ:MIN"]).strip()
    attached = {
        (entry["back-maj:min"].strip(), int(entry["back-ino"])): str(entry["name"])
        for entry in json.loads(listing or "{}").get("loopdevices", [])
    }
    if not attached or not below.is_dir():
        return []
    device = below.stat().st_dev
    place = f"{os.major(device)}:{os.minor(device)}"
    return [attached[place, inode] for inode in _inodes(below) if (place, inode) in attached]


def _inodes(folder: Path) -> Iterator[int]:
    for entry in os.scandir(folder):
        yield entry.inode()
        if entry.is_dir(follow_symlinks=False):
            yield from _inodes(Path(entry.path))
