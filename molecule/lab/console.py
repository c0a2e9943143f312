# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machines say on their serial lines."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError

FATAL = re.compile(r"Kernel panic|emergency mode|\(initramfs\)|Out of memory|No space left|dracut: FATAL")
CONTROLS = re.compile(r"\x1b\[[0-9;?=]*[a-zA-Z]|\x1b[()][0-9A-Z]|[\x00-\x08\x0b-\x1f\x7f]")


def read(log: Path, since: int = 0) -> tuple[str, int]:
    """Return a console's text from byte ``since`` on, without terminal controls, and where it ends.

    A log that is shorter by now began anew, and is read from its beginning.
    """
    if not log.exists():
        return "", 0
    with log.open("rb") as console:
        console.seek(since if since <= os.fstat(console.fileno()).st_size else 0)
        said = console.read().decode(errors="replace")
        return CONTROLS.sub("", said), console.tell()


def text(log: Path, since: int = 0) -> str:
    return read(log, since)[0]


def tail(log: Path, lines: int = 60) -> str:
    """The last lines, blank ones left out."""
    return "\n".join([line for line in text(log).splitlines() if line.strip()][-lines:])


def follow(log: Path) -> Iterator[str]:
    """Yield a console's text as it comes, for ever."""
    position = 0
    while True:
        said, position = read(log, position)
        yield said
        time.sleep(0.2)


def check(log: Path) -> None:
    """Raise :class:`LabError`, with the last lines, when a console said something that no boot survives."""
    fatal = FATAL.search(text(log))
    if fatal:
        raise LabError(f"Cannot boot {log.stem}: its console says {fatal[0]!r}\n{tail(log)}")


def wait(log: Path, wanted: str, *, timeout: float, since: int = 0) -> None:
    """Wait until a console says ``wanted`` after byte ``since``, or fails; ``timeout`` is in seconds."""
    deadline = time.monotonic() + timeout
    while wanted not in text(log, since):
        check(log)
        if time.monotonic() > deadline:
            raise LabError(f"Cannot see {wanted!r} on {log.name}: not said after {timeout:g} s\n{tail(log)}")
        time.sleep(0.5)
