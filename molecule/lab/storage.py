# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted on this host, and what its loop devices hold."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import process


@dataclass(frozen=True)
class Mount:
    target: Path
    kind: str


def mounts(*, below: Path = Path("/")) -> list[Mount]:
    """The mounts at or below a folder, in the order in which they were made (proc_pid_mountinfo(5))."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        target = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if target == below or below in target.parents:
            found.append(Mount(target, fields[fields.index("-") + 1]))
    return found


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
