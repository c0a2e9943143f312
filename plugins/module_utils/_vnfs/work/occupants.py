# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that work in a tree, found in /proc as proc(5) describes it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..._errors import PerceusError
from ..store import Vnfs

PROC = Path("/proc")
SHOWN = 10


@dataclass(frozen=True)
class Occupant:
    """A process, its command line, and what of it is in the tree: ``root``, ``cwd``, ``exe`` or an open file."""

    pid: int
    command: str
    holds: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command}) with its {self.holds} there"


def refuse_occupants(vnfs: Vnfs, verb: str) -> None:
    """Raise :class:`PerceusError`, which names them, while processes work in the tree."""
    found = list(find_occupants(vnfs.rootfs))
    if found:
        more = f" and {len(found) - SHOWN} more" if found[SHOWN:] else ""
        named = ", ".join(map(str, found[:SHOWN]))
        raise PerceusError(
            f"Cannot {verb} VNFS {vnfs.name!r}: in use by {named}{more}",
            hint="Have them leave the tree, or end them",
            vnfs=vnfs.name,
            processes=[asdict(occupant) for occupant in found],
        )


def find_occupants(rootfs: Path) -> Iterator[Occupant]:
    """Yield the processes that work in a tree, less this one and those that it was started by."""
    tree, own = rootfs.resolve(), set(_ancestors())
    for pid in sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()):
        holds = None if pid in own else _find_hold(PROC / str(pid), tree)
        if holds:
            yield Occupant(pid, _command(pid), holds)


def _ancestors() -> Iterator[int]:
    pid = os.getpid()
    while pid:
        yield pid
        pid = _parent(pid)


def _parent(pid: int) -> int:
    """The parent's number, 0 for none; the program's name in the line may have any characters."""
    try:
        return int((PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _find_hold(process: Path, tree: Path) -> str | None:
    """Return what of a process is in the tree. Its root may be so under another name, of another mount namespace."""
    with contextlib.suppress(OSError):
        if os.path.samefile(process / "root", tree):
            return "root"
    for name in ("cwd", "exe"):
        if _is_below(process / name, tree):
            return {"cwd": "working directory", "exe": "program"}[name]
    with contextlib.suppress(OSError):  # it ended meanwhile
        for file in (process / "fd").iterdir():
            if _is_below(file, tree):
                return f"open file {os.readlink(file)!r}"
    return None


def _is_below(link: Path, tree: Path) -> bool:
    try:
        target = os.readlink(link)
    except OSError:
        return False  # it ended meanwhile, or is a thread of the kernel
    return target == str(tree) or target.startswith(f"{tree}/")


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").strip()
        return words.decode(errors="replace")[:200]
    return "?"
