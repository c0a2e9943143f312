# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree in a tar archive on the master."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..._errors import PerceusError
from ..capsule.archive import free_room, open_archive
from ..phases import growth_on
from ..recipe.check import CHECKSUM, NAME, check
from .base import Source
from .order import Order


@dataclass(frozen=True)
class Archive(Source):
    """``checksum`` is what the file must have, ``sha256:`` and hex; ``unverified`` remembers that nobody vouched for
    it; ``devices`` lets it have device nodes.
    """

    type: ClassVar[str] = "archive"

    file: str
    checksum: str | None = None
    unverified: bool = False
    devices: bool = False

    def __post_init__(self) -> None:
        check("file", self.file, NAME)
        if self.checksum is not None:
            check("checksum", self.checksum, CHECKSUM)
        elif not self.unverified:
            raise PerceusError(
                f"Cannot trust {self.file!r}: no checksum is given",
                hint="Give the one that its maker told, as sha256:HEX, or set unverified to true",
            )

    @property
    def warnings(self) -> tuple[str, ...]:
        return (f"Nobody vouches for {self.file!r}: no checksum is given",) if self.checksum is None else ()

    def make_tree(self, target: Path, order: Order) -> None:
        with open_archive(Path(self.file)) as archive:
            with order.phases.measured("check", sample=archive.position, total=archive.size):
                archive.require_checksum(self.checksum)
                archive.check(free_room(target.parent), devices=self.devices)
            with order.phases.measured("unpack", sample=growth_on(target.parent)):
                target.mkdir(mode=0o755)
                archive.unpack(target)
