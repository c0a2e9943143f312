# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree copied within the master, with everything that there is to know of each file."""

from __future__ import annotations

from pathlib import Path

from ..._process import Runner
from ..store import refuse_mounts
from ..work.sandbox import MortalRunner


def copy_tree(source: Path, target: Path, *, runner: Runner) -> None:
    """Copy a folder to ``target``, which must not exist. Blocks are shared where the file system can do so.

    Raises :class:`PerceusError` when something is mounted below ``source``: that is no part of it.
    """
    refuse_mounts(source, "copy", below=True)
    MortalRunner(runner)(build_copy_argv(source, target))


def build_copy_argv(source: Path, target: Path) -> list[str]:
    """Return the command line. Attributes are named: of a plain ``--archive`` cp(1) forgives those that get lost."""
    return [
        *("cp", "--recursive", "--no-dereference", "--preserve=mode,ownership,timestamps,links,xattr"),
        *("--reflink=auto", "--sparse=auto", "--no-target-directory", "--", str(source), str(target)),
    ]
