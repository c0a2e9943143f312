# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on a file system: asked for before a long work, and named when it ran out in the middle of one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from ._errors import PerceusError

HINT = "Make room there, as by pruning generations, and try again"
_ERRORS = (errno.ENOSPC, errno.EDQUOT)
# What programs print: the C library's words for these errors, and apt's own
_WORDS = (*(os.strerror(number) for number in _ERRORS), "don't have enough free space")


@contextlib.contextmanager
def room_in(folder: Path, *, verb: str, what: str, needed: int | None = None) -> Iterator[None]:
    """Do what is done inside in ``folder``, about ``needed`` bytes, None when nobody can tell.

    Raises :class:`PerceusError` when not half of that is free, or when the file system turns out to be full; the error
    reads ``Cannot VERB WHAT: …`` and has the bytes ``needed`` and ``free``.
    """
    free = free_bytes(folder)
    if needed is not None and free < needed // 2:
        raise _full(folder, verb, what, needed, free)
    try:
        yield
    except OSError as error:
        if error.errno in _ERRORS:
            raise _full(folder, verb, what, needed, free) from error
        raise
    except PerceusError as error:
        if any(word in f"{error.msg} {error.details.get('stderr', '')}" for word in _WORDS):
            raise _full(folder, verb, what, needed, free) from error
        raise


def free_bytes(folder: Path) -> int:
    """Return how much fits into a folder, or into the one that it would be made in."""
    status = os.statvfs(nearest_folder(folder))
    return status.f_bavail * status.f_frsize


def nearest_folder(folder: Path) -> Path:
    """Return the folder, or what there is of those above it."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _full(folder: Path, verb: str, what: str, needed: int | None, free: int) -> PerceusError:
    wanted = f"about {_shown(needed)}" if needed is not None and needed > free else f"more than {_shown(free)}"
    return PerceusError(
        f"Cannot {verb} {what}: no space in {str(folder)!r}: it needs {wanted}, of which {_shown(free)} were free",
        hint=HINT,
        needed=needed,
        free=free,
    )


def _shown(size: int) -> str:
    return f"{size / 1e6:.1f} MB ({size} bytes)"
