# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of another VNFS, as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..._errors import PerceusError
from ..._names import parse_vnfs_name
from ..build.copying import copy_tree
from ..store import held, vnfs_in
from .base import Source
from .order import Order


@dataclass(frozen=True)
class Clone(Source):
    """``vnfs`` is the other's name. What else its recipe says, a new VNFS takes over too."""

    type: ClassVar[str] = "clone"

    vnfs: str

    def __post_init__(self) -> None:
        parse_vnfs_name(self.vnfs)

    def make_tree(self, target: Path, order: Order) -> None:
        if self.vnfs == order.vnfs.name:
            raise PerceusError(f"Cannot clone VNFS {self.vnfs!r} into itself", hint="Give the new one another name")
        other = vnfs_in(order.vnfs.folder.parent, self.vnfs)
        other.require_tree()
        with held(other):
            copy_tree(other.rootfs, target, runner=order.runner)
