# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read last, for when it cannot be read now."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .._errors import PerceusError
from .._files import write_atomically
from .snapshot import Snapshot, parse_snapshot, render_snapshot


def load_or_recall(load: Callable[[], Snapshot], last_good: Path) -> Snapshot:
    """Return what ``load`` gives and keep it in ``last_good``; when it raises :class:`PerceusError`, what was kept,
    with a warning that says why and how old it is.

    Raises the error when nothing was kept. That something cannot be kept is a warning.
    """
    try:
        snapshot = load()
    except PerceusError as error:
        return _recall(last_good, error)
    try:
        write_atomically(last_good, render_snapshot(snapshot), mode=0o600)
        os.utime(last_good)
    except PerceusError as error:
        return replace(snapshot, warnings=(*snapshot.warnings, str(error)))
    return snapshot


def _recall(last_good: Path, error: PerceusError) -> Snapshot:
    try:
        kept = last_good.read_bytes()
        age = max(0, round(time.time() - last_good.stat().st_mtime))
    except OSError:
        raise error from None
    snapshot = parse_snapshot(kept, source=repr(str(last_good)))
    old = PerceusError(f"{error.msg}; the inventory shown is {age} seconds old", hint=error.hint)
    return replace(snapshot, warnings=(*snapshot.warnings, str(old)), is_recalled=True)
