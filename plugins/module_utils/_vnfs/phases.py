# SPDX-License-Identifier: GPL-3.0-or-later
"""What a long work is at, for whoever waits for it, and how long each part took in the end.

While a phase runs its record is a file of JSON, which whoever may not read the store may read too:

    {"phase": "squashfs", "seconds": 3.5, "done": 84000000, "total": null, "unit": "bytes", "written": 1893456000.1}

``seconds`` since the phase began, ``written`` when, in seconds since 1970: a record that stands still is a dead one's.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INTERVAL = 0.5  # seconds between two records

Sample = Callable[[], int]


@dataclass(frozen=True)
class Phases:
    """Named phases in the order in which they ended, and their lengths in seconds.

    ``record`` is the file for who waits, None when nobody does.
    """

    record: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)  # the innermost last

    @contextlib.contextmanager
    def measured(
        self, name: str, *, sample: Sample | None = None, total: int | None = None, unit: str = "bytes"
    ) -> Iterator[None]:
        """Time what is done inside. ``sample`` says how much is done of ``total``, of ``unit`` bytes or files."""
        start = time.monotonic()
        self.running.append(name)
        try:
            with self._recorded({"phase": name, "total": total, "unit": unit}, sample):
                yield
        finally:
            self.running.pop()
            self.seconds[name] = round(self.seconds.get(name, 0) + time.monotonic() - start, 1)

    @contextlib.contextmanager
    def _recorded(self, facts: dict[str, Any], sample: Sample | None) -> Iterator[None]:
        """Keep the record up to date, while no phase inside this one does."""
        if self.record is None:
            yield
            return
        done, depth, record = threading.Event(), len(self.running), self.record

        def keep() -> None:
            start = time.monotonic()
            with contextlib.suppress(OSError):  # then nobody is told
                while not done.wait(INTERVAL):
                    if len(self.running) == depth:
                        seconds = round(time.monotonic() - start, 1)
                        amount = sample() if sample else None
                        _write(record, {**facts, "seconds": seconds, "done": amount, "written": time.time()})

        recorder = threading.Thread(target=keep, name="progress", daemon=True)
        recorder.start()
        try:
            yield
        finally:
            done.set()
            recorder.join()
            with contextlib.suppress(OSError):
                record.unlink()


def _write(record: Path, facts: dict[str, Any]) -> None:
    record.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    beside = record.with_suffix(".new")
    beside.write_text(json.dumps(facts))
    beside.chmod(0o644)
    os.replace(beside, record)


def size_of(file: Path) -> Sample:
    """Return what tells how large a file has become."""

    def sample() -> int:
        try:
            return file.stat().st_size
        except FileNotFoundError:
            return 0

    return sample


def growth_on(folder: Path) -> Sample:
    """Return what tells how much the file system of ``folder`` has filled since now, whoever filled it."""

    def used() -> int:
        status = os.statvfs(folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    start = used()
    return lambda: max(0, used() - start)
