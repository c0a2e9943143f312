# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree in a capsule, a file that another master, or this one, has exported."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..._errors import PerceusError
from ..archive import free_room, open_archive
from ..capsule import CHECKSUM, TREE, check_capsule, require_checksum, unpack_capsule
from ..check import check
from .order import Order


@dataclass(frozen=True)
class Capsule:
    """``file`` is on the master; ``checksum`` what it must be, ``sha256:`` and hex; ``unverified`` remembers that
    nobody vouched for it when it was imported; ``devices`` lets it have device nodes.
    """

    type: ClassVar[str] = "capsule"
    installs_packages: ClassVar[bool] = False
    base_packages: ClassVar[tuple[str, ...]] = ()
    kernel_package: ClassVar[str] = ""

    file: str
    checksum: str | None = None
    unverified: bool = False
    devices: bool = False

    def __post_init__(self) -> None:
        if not Path(self.file).is_absolute():
            raise PerceusError(f"Cannot use {self.file!r} as a capsule: not an absolute path")
        if self.checksum is not None:
            check("checksum", self.checksum, CHECKSUM)
        elif not self.unverified:
            raise PerceusError(
                f"Cannot trust {self.file!r}: no checksum is given",
                hint="Give the one that the export told, as sha256:HEX, or set unverified to true",
            )

    @classmethod
    def propose(cls) -> dict[str, Any]:
        """Return what a new VNFS has where nothing is said."""
        return {}

    def make_tree(self, target: Path, order: Order) -> None:
        """Make the tree at ``target``, which must not exist."""
        with open_archive(Path(self.file)) as archive, tempfile.TemporaryDirectory(dir=target.parent) as folder:
            with order.phases.measured("check"):
                require_checksum(archive.file, self.checksum)
                check_capsule(archive, room=free_room(target.parent), devices=self.devices)
            unpack_capsule(archive, Path(folder), runner=order.runner, phases=order.phases)
            (Path(folder) / TREE).rename(target)
