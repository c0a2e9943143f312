# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source is asked for beside its own options."""

from __future__ import annotations

from dataclasses import dataclass

from ..._process import Runner
from ..phases import Phases
from ..store import Vnfs


@dataclass(frozen=True)
class Order:
    """``vnfs`` is what the tree is for; ``packages`` are all that are to be in it; ``epoch`` is the time, in seconds
    since 1970, that no file of the tree may be younger than, None when it does not matter (the SOURCE_DATE_EPOCH of
    reproducible-builds.org).
    """

    vnfs: Vnfs
    packages: tuple[str, ...]
    epoch: int | None
    runner: Runner
    phases: Phases

    @property
    def environment(self) -> dict[str, str]:
        """What a program that makes a tree is told of ``epoch``."""
        return {} if self.epoch is None else {"SOURCE_DATE_EPOCH": str(self.epoch)}
