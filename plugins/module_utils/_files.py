# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that readers always find whole: build beside, sync, rename; read only what held still."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ._errors import PerceusError

BESIDE = ".{}.perceus-new-"  # how the name of a file begins that is to become another one; no editor's does


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(target: Path, content: str | bytes, *, mode: int = 0o644) -> bool:
    """Give ``target`` this content, or leave it as it was; return whether its bytes changed.

    Raises :class:`PerceusError` when the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if not target.is_symlink() and target.read_bytes() == data:
            return False
    except OSError:
        pass  # absent or unreadable: the write below says why
    beside = None
    try:
        descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=BESIDE.format(target.name))
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(beside, target)
        sync_folder(target.parent)
    except OSError as error:
        if beside is not None:
            with contextlib.suppress(OSError):
                os.unlink(beside)
        raise PerceusError(f"Cannot write {str(target)!r}: {error.strerror}") from error
    return True


def remove_remains(target: Path) -> None:
    """Remove what writers of ``target`` left beside it that were killed; the caller is its only writer now."""
    for beside in target.parent.glob(f"{BESIDE.format(target.name)}*"):
        with contextlib.suppress(OSError):
            beside.unlink()


@contextlib.contextmanager
def locked(lock: Path, *, what: str, timeout: float = 60.0) -> Iterator[None]:
    """Hold ``lock`` while the block runs; the kernel frees it when the process dies, however it dies.

    ``what`` names the thing in the error, which also says who holds the lock. ``timeout`` is in seconds.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PerceusError(f"Cannot lock {what}: {error.strerror} ({str(lock)!r})") from error
    with os.fdopen(descriptor, encoding="utf-8") as stream:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    holder = stream.read(200).strip() or "another process"
                    raise PerceusError(
                        f"Cannot lock {what}: {holder} holds it", hint="Wait for it to end and try again"
                    ) from error
                time.sleep(0.1)
        with contextlib.suppress(OSError):  # on a full disk the lock is held all the same
            holder = f"process {os.getpid()} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n"
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.encode(), 0)
        yield
