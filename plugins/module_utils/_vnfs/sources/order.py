# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source is asked for beside its own options."""

from __future__ import annotations

from dataclasses import dataclass

from ..._process import Runner
from ..phases import Phases


@dataclass(frozen=True)
class Order:
    """``packages`` are all that are to be in the tree; ``epoch`` is the time, in seconds since 1970, that no file of
    the tree may be younger than, None when it does not matter (the SOURCE_DATE_EPOCH of reproducible-builds.org).
    """

    packages: tuple[str, ...]
    epoch: int | None
    runner: Runner
    phases: Phases
