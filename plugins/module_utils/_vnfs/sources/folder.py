# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree that is a folder on the master already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..._errors import PerceusError
from ..build.copying import copy_tree
from ..recipe.check import NAME, check
from .base import Source
from .order import Order


@dataclass(frozen=True)
class Folder(Source):
    """``root`` is the folder."""

    type: ClassVar[str] = "folder"

    root: str

    def __post_init__(self) -> None:
        check("root", self.root, NAME)

    def make_tree(self, target: Path, order: Order) -> None:
        root = Path(self.root).resolve()
        if not root.is_dir():
            raise PerceusError(f"Cannot copy {self.root!r}: there is no such folder")
        if root in target.resolve().parents:
            raise PerceusError(f"Cannot copy {self.root!r}: the store is in it", hint="Name another folder")
        copy_tree(root, target, runner=order.runner)
