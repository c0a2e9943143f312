# SPDX-License-Identifier: GPL-3.0-or-later
"""One reading of the file, or the files, in which a DHCP server has its leases."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path

from .._errors import PerceusError
from .formats import ISC, KEA, detect_format

LARGEST = 256 * 1024 * 1024  # bytes; about 500,000 leases of ISC dhcpd, whose file is the wordiest

# What lease file cleanup leaves beside Kea's file, and in which order Kea loads it: loadLeasesFromFiles() in its
# memfile_lease_mgr.cc. The result of a cleanup stands for what was cleaned up; the file of now comes last.
CLEANED, UNCLEANED = (".completed",), (".2", ".1")
BACKUP = "~"  # ISC dhcpd's file of before it was last rewritten; see dhcpd.leases(5)


@dataclass(frozen=True)
class Reading:
    """What was read, and of the newest file when it was ``modified`` (seconds since 1970) and what tells its state.

    ``held_still`` says that the file did not change meanwhile, ``is_one_moment`` that none came, went or was replaced.
    """

    content: bytes
    stamp: tuple[int, int, int, int]
    modified: float
    held_still: bool
    is_one_moment: bool = True
    warning: str = ""


_NOTHING = Reading(b"", (0, 0, 0, 0), 0, held_still=False)


def read_files(source: Path) -> Reading:
    """Read the lease file ``source`` and what belongs to it.

    While Kea cleans up, its leases are in up to three files; when ISC dhcpd was killed between two renames, they are in
    the backup only. Raises :class:`OSError` when there is nothing to read, :class:`PerceusError` when it is no file of
    leases.
    """
    before = _look(source)
    own = _read(source) if source in before else None
    if own is not None and own.content and detect_format(own.content) is not KEA:
        return own
    cleaned, uncleaned = ([_beside(source, suffix) for suffix in suffixes] for suffixes in (CLEANED, UNCLEANED))
    neighbours = [path for path in (cleaned if cleaned[0] in before else uncleaned) if path in before]
    parts = [part for part in map(_read, neighbours) if part is not None and detect_format(part.content) is KEA]
    is_one_moment = _look(source) == before
    if own is not None:
        parts.append(own)
    if not parts:
        return _read_backup(source) if is_one_moment else replace(_NOTHING, is_one_moment=False)
    content = b"".join(part.content for part in parts)
    return replace(parts[-1], content=content, is_one_moment=is_one_moment)


def _beside(source: Path, suffix: str) -> Path:
    return source.with_name(source.name + suffix)


def _look(source: Path) -> dict[Path, int]:
    """Return the inodes of the file and of Kea's others, those of them that are there."""
    found = {}
    for suffix in (*CLEANED, *UNCLEANED, ""):
        with contextlib.suppress(FileNotFoundError):
            path = _beside(source, suffix)
            found[path] = path.stat().st_ino
    return found


def _read_backup(source: Path) -> Reading:
    backup = _read(_beside(source, BACKUP))
    if backup is None or detect_format(backup.content) is not ISC:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
    age = max(0, round(time.time() - backup.modified))
    backup_name = str(_beside(source, BACKUP))
    return replace(
        backup,
        warning=f"Cannot find leases {str(source)!r}. The leases shown are those of dhcpd's backup {backup_name!r},"
        f" {age} seconds old",
    )


def _read(path: Path) -> Reading | None:
    """Read one file, None if there is none."""
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise PerceusError(
                f"Cannot read leases {str(path)!r}: not a regular file", hint="Give a DHCP server's lease file"
            )
        if before.st_size > LARGEST:
            raise PerceusError(
                f"Cannot read leases {str(path)!r}: {before.st_size} bytes are more than any cluster's {LARGEST}",
                hint="Give a DHCP server's lease file",
            )
        content = stream.read(before.st_size + 1) or b""
        after = os.fstat(stream.fileno())
    held_still = _stamp(before) == _stamp(after) and len(content) == after.st_size
    return Reading(content, _stamp(after), after.st_mtime, held_still)


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
