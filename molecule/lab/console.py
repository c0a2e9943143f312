# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machines say on their serial lines."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError

FATAL = re.compile(r"Kernel panic|emergency mode|\(initramfs\)|Out of memory|No space left|dracut: FATAL")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][0-9A-Z]|[\x00-\x08\x0b-\x1f]")


def text(log: Path, since: int = 0) -> str:
    """The console's text from byte ``since`` on, without terminal control sequences."""
    try:
        with log.open("rb") as console:
            console.seek(since)
            return ESCAPES.sub("", console.read().decode(errors="replace"))
    except FileNotFoundError:
        return ""


def tail(log: Path, lines: int = 60) -> str:
    """The last lines, blank ones left out."""
    return "\n".join([line for line in text(log).splitlines() if line.strip()][-lines:])


def wait(log: Path, wanted: str, *, timeout: float, since: int = 0) -> None:
    """Wait until a console says ``wanted``; fail as soon as it says something that no boot survives.

    The error carries the console's last 60 lines. ``timeout`` is in seconds.
    """
    deadline = time.monotonic() + timeout
    while wanted not in (said := text(log, since)):
        fatal = FATAL.search(said)
        if fatal or time.monotonic() > deadline:
            cause = f"it said {fatal[0]!r}" if fatal else f"not said after {timeout:g} s"
            raise LabError(f"Cannot see {wanted!r} on {log.name}: {cause}\n{tail(log)}")
        time.sleep(0.5)


def follow(log: Path) -> Iterator[str]:
    """Yield a console's text as it comes, for ever."""
    position = 0
    while True:
        size = log.stat().st_size if log.exists() else 0
        if size < position:
            position = 0
        if size > position:
            yield text(log, position)
            position = size
        time.sleep(0.2)
