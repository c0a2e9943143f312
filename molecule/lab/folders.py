# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing what was made, when something may still be mounted in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import process
from lab.mounts import mounts


def remove(folder: Path) -> None:
    """Remove a folder or a file, what is mounted below it first: removal must never walk into another file system."""
    for mount in reversed(mounts(below=folder)):
        process.run(["umount", "--", str(mount.target)])
    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
