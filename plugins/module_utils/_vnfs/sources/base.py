# SPDX-License-Identifier: GPL-3.0-or-later
"""What every source is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..build.families import install_inside
from ..work.sandbox import Sandbox
from .order import Order


class Source(ABC):
    """Where a tree comes from: a frozen dataclass, whose fields are the options of the module's option ``type``.

    ``installs_packages`` is whether a new tree has all that is ordered, or its own package manager is to add what it
    lacks.
    """

    type: ClassVar[str]
    installs_packages: ClassVar[bool] = False

    @property
    def base_packages(self) -> tuple[str, ...] | None:
        """What is ordered where the recipe says nothing; None for what the tree's family needs, once it is known."""
        return ()

    @property
    def kernel_package(self) -> str | None:
        """The same for the kernel; empty for none."""
        return ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be said aloud when a tree is made."""
        return ()

    @classmethod
    def propose(cls, said: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - not every source has a use for it
        """Return what a new VNFS has where nothing is said; ``said`` is what is."""
        return {}

    @abstractmethod
    def make_tree(self, target: Path, order: Order) -> None:
        """Make the tree at ``target``, which must not exist."""

    def add_packages(self, sandbox: Sandbox, packages: Sequence[str]) -> None:
        """Install those of ``packages`` that an existing tree lacks."""
        install_inside(sandbox, packages)
