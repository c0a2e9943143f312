# SPDX-License-Identifier: GPL-3.0-or-later
"""What a walk over a tree found, for the next one: a file that has not changed since is not read again.

The kernel changes a file's ctime whenever it changes content, mode, owner, attributes or the number of its names, and
no program can set it. A file whose ctime is as young as the walk may change once more without it changing, and is not
remembered.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..._files import write_atomically
from .entry import Entry, parse_entry

VERSION = 1  # raise it when a walk makes something else of the same file, as when it knows another kind of secret
TICK = 1_000_000_000  # nanoseconds, far more than between two values of the kernel's clock for files


class Seen:
    """The entries of files by name, each with what :func:`stat` said of the file then, found under ``conditions``."""

    def __init__(self, known: dict[str, Any] | None = None, conditions: str = "") -> None:
        self.conditions = conditions
        self._known = known or {}
        self._kept: dict[str, Any] = {}
        self._begin = time.time_ns()

    def recall(self, name: str, status: os.stat_result) -> Entry | None:
        """Return the entry of a file that is as it was then."""
        try:
            stamp, fields = self._known[name]
            if stamp != _stamp(status):
                return None
            entry = parse_entry(fields)
        except (KeyError, TypeError, ValueError):  # not seen, or somebody had a hand in the file
            return None
        self._kept[name] = [stamp, fields]
        return entry

    def remember(self, entry: Entry, status: os.stat_result) -> None:
        """Know this file in the next walk, unless it may still change unnoticed."""
        if status.st_ctime_ns < self._begin - TICK:
            self._kept[entry.name] = [_stamp(status), entry.as_fields()]

    @property
    def changed(self) -> bool:
        """Whether this walk found something else than the one before."""
        return self._kept != self._known

    def as_fields(self) -> dict[str, Any]:
        """Return what the next walk is to know, as JSON has it."""
        return self._kept


def load_seen(file: Path, *, conditions: Iterable[str]) -> Seen:
    """Return what the last walk under these conditions saw; nothing when there was none."""
    digest = hashlib.sha256("\0".join((str(VERSION), *conditions)).encode()).hexdigest()
    try:
        document = json.loads(file.read_bytes())
        return Seen(document["files"] if document["conditions"] == digest else {}, digest)
    except (OSError, ValueError, KeyError, TypeError):
        return Seen({}, digest)


def save_seen(file: Path, seen: Seen) -> None:
    """Keep it for the next walk, for root only: it tells what is in files that others may not read."""
    if seen.changed:
        document = {"conditions": seen.conditions, "files": seen.as_fields()}
        write_atomically(file, json.dumps(document, separators=(",", ":")), mode=0o600)


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
