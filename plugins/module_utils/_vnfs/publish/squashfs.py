# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack a tree, or a part of it, by mksquashfs(1), which dies with its caller."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..._process import Runner
from ..work.sandbox import MortalRunner


def pack_squashfs(
    rootfs: Path,
    target: Path,
    *,
    left_out: Sequence[str],
    level: int,
    scratch: Path,
    runner: Runner,
    more: Sequence[str] = (),
) -> None:
    """Pack a tree into ``target``, all but the names of ``left_out`` and what is below them.

    ``level`` is of zstd; ``scratch`` is a folder for what mksquashfs alone reads; ``more`` are other options for it.
    """
    names = scratch / "left-out"
    names.write_bytes(os.fsencode(render_left_out(left_out)))
    argv = build_mksquashfs_argv(rootfs, target, left_out=left_out, names=names, level=level, more=more)
    MortalRunner(runner)(argv, env={"LC_ALL": "C"})  # a name is bytes


def render_left_out(names: Iterable[str]) -> str:
    """Return the file of names for ``mksquashfs -wildcards -ef``. Those of several lines cannot be in it.

    The backslash before each has a leading space, or ``#``, taken as part of the name.
    """
    return "".join(f"\\{_literally(name)}\n" for name in names if "\n" not in name)


def build_mksquashfs_argv(
    rootfs: Path, target: Path, *, left_out: Iterable[str], names: Path, level: int, more: Sequence[str]
) -> list[str]:
    """Return the command line; ``names`` is the file of :func:`render_left_out`.

    Without ``-wildcards`` mksquashfs would leave out a file with all its names, for one of them.
    """
    in_lines = [_literally(name) for name in left_out if "\n" in name]
    return [
        *("mksquashfs", str(rootfs), str(target), "-noappend", "-no-progress", "-quiet", "-xattrs"),
        *("-comp", "zstd", "-Xcompression-level", str(level)),
        *more,
        *("-wildcards", "-ef", str(names)),
        *(("-e", *in_lines) if in_lines else ()),
    ]


def _literally(name: str) -> str:
    """Return the wildcard that matches this name alone."""
    return re.sub(r"([][*?\\+@!()|])", r"\\\1", name)
