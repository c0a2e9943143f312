# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a lease file whole although dnsmasq truncates and rewrites it in place.

dnsmasq's ``lease_update_file()`` rewinds, truncates to nothing, prints through stdio and flushes at the end. glibc's
stdio writes whole blocks of the file system's block size, a multiple of 4,096 bytes, until the last write brings the
rest. So a file that ends with a whole line and is no multiple of 4,096 bytes long is whole; one that is such a multiple
is believed only once it has not been touched for a while.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from .._errors import PerceusError
from .._files import write_atomically
from .dnsmasq import Leases, parse_leases

PATIENCE = 3.0  # seconds for which a file that is being rewritten is read again
STILLNESS = 1.0  # seconds without a change after which any file that ends with a whole line is whole
PAUSE = 0.01  # seconds between two reads
BLOCK = 4096  # bytes
LARGEST = 64 * 1024 * 1024  # bytes; about 700,000 leases


@dataclass(frozen=True)
class _Reading:
    """What one read gave, and what told the file's state before and after it."""

    content: bytes
    stamp: tuple[int, int, int, int]
    modified: float
    held_still: bool

    def is_whole(self) -> bool:
        if not self.held_still or (self.content and not self.content.endswith(b"\n")):
            return False
        return len(self.content) % BLOCK != 0 or abs(time.time() - self.modified) > STILLNESS


def load_leases(source: Path, *, last_good: Path | None = None, missing_ok: bool = False) -> Leases:
    """Return the leases in dnsmasq's lease file ``source``.

    When the file does not come to rest, the leases are those of ``last_good``, a file in which each good content is
    kept, and a warning says how old they are. Raises :class:`PerceusError` when there is no such file either, or when
    ``source`` cannot be read. A missing file is an error unless ``missing_ok``.
    """
    try:
        content = _read_whole(source)
    except FileNotFoundError as error:
        if missing_ok:
            return Leases((), ())
        raise _unreadable(source, error) from error
    except OSError as error:
        raise _unreadable(source, error) from error
    warnings: tuple[str, ...] = ()
    if content is not None:
        if last_good is not None:
            warnings = _keep(last_good, content)
    else:
        content, warnings = _recall(last_good, source)
    leases = parse_leases(content.decode(errors="backslashreplace"))
    return Leases(leases.leases, warnings + leases.warnings)


def _read_whole(source: Path) -> bytes | None:
    """Return the content once two readings in a row agree on a whole file, None if none do before patience ends."""
    deadline = time.monotonic() + PATIENCE
    before: _Reading | None = None
    while True:
        reading = _read_once(source)
        is_whole = reading.is_whole()
        if is_whole and reading == before:
            return reading.content
        if time.monotonic() > deadline:
            return None
        if not is_whole:
            time.sleep(PAUSE)
        before = reading


def _read_once(source: Path) -> _Reading:
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    with open(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise PerceusError(
                f"Cannot read leases {str(source)!r}: not a regular file", hint="Give dnsmasq's lease file"
            )
        if before.st_size > LARGEST:
            raise PerceusError(
                f"Cannot read leases {str(source)!r}: {before.st_size} bytes are more than any cluster's {LARGEST}",
                hint="Give dnsmasq's lease file",
            )
        content = stream.read(before.st_size + 1) or b""
        after = os.fstat(stream.fileno())
    held_still = _stamp(before) == _stamp(after) and len(content) == after.st_size
    return _Reading(content, _stamp(after), after.st_mtime, held_still)


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _unreadable(source: Path, error: OSError) -> PerceusError:
    return PerceusError(
        f"Cannot read leases {str(source)!r}: {error.strerror}", hint="Give dnsmasq's lease file, readable by this user"
    )


def _keep(last_good: Path, content: bytes) -> tuple[str, ...]:
    """Remember ``content``. That it cannot be remembered is a warning: the leases at hand are good."""
    try:
        write_atomically(last_good, content, mode=0o600)
        os.utime(last_good)
    except PerceusError as error:
        return (str(error),)
    return ()


def _recall(last_good: Path | None, source: Path) -> tuple[bytes, tuple[str, ...]]:
    torn = f"Cannot read leases {str(source)!r}: the file is being rewritten, or its last line is cut short"
    hint = "Is the disk full, or is dnsmasq stopped in the middle of writing?"
    if last_good is None:
        raise PerceusError(torn, hint=hint)
    try:
        content = last_good.read_bytes()
        age = max(0, round(time.time() - last_good.stat().st_mtime))
    except OSError as error:
        raise PerceusError(f"{torn}; nor is there a last good content: {error.strerror}", hint=hint) from error
    return content, (f"{torn}. {hint} The leases shown are {age} seconds old",)
