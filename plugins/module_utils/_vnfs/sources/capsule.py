# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree in a capsule, a file that another master, or this one, has exported."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..capsule.archive import free_room, open_archive
from ..capsule.capsule import TREE, check_capsule, unpack_capsule
from .archive import Archive
from .order import Order


@dataclass(frozen=True)
class Capsule(Archive):
    """An archive that says of itself what is in it."""

    type: ClassVar[str] = "capsule"

    def make_tree(self, target: Path, order: Order) -> None:
        with open_archive(Path(self.file)) as archive, tempfile.TemporaryDirectory(dir=target.parent) as folder:
            with order.phases.measured("check", sample=archive.position, total=archive.size):
                archive.require_checksum(self.checksum)
                check_capsule(archive, room=free_room(target.parent), devices=self.devices)
            unpack_capsule(archive, Path(folder), phases=order.phases)
            (Path(folder) / TREE).rename(target)
