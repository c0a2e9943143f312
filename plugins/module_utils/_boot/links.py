# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of images where servers that may not enter the store have them: hard links in a folder of their own, copies if
the store is another file system.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .._errors import PerceusError
from .images import Image


@dataclass(frozen=True)
class LinkPlan:
    """What makes ``folder`` hold the wanted files of generations: names and where the added ones are."""

    folder: Path
    added: Mapping[str, Path]
    removed: tuple[str, ...]


def link_name(image: Image, file: str) -> str:
    """Return the name of a generation's file among those of all VNFSs."""
    return f"{image.vnfs}-{image.generation}-{file}"


def plan_links(folder: Path, files: Iterable[tuple[Image, str]], *, store: Path) -> LinkPlan:
    """Compare ``files``, each of an image, with those in ``folder``, or raise :class:`PerceusError`."""
    wanted = {link_name(image, file): image.folder(store) / file for image, file in files}
    try:
        present = set(os.listdir(folder))
    except FileNotFoundError:
        present = set()
    except OSError as error:
        raise PerceusError(f"Cannot read {str(folder)!r}: {error.strerror}") from error
    added = {name: source for name, source in wanted.items() if name not in present or _differ(folder / name, source)}
    return LinkPlan(folder, added, tuple(sorted(present - wanted.keys())))


def _differ(file: Path, source: Path) -> bool:
    """Whether a file is neither a link nor a copy of its source; one without a source has nothing to be instead."""
    try:
        is_, ought = file.stat(), source.stat()
    except FileNotFoundError:
        return False
    return (is_.st_size, is_.st_mtime_ns) != (ought.st_size, ought.st_mtime_ns)


def apply_links(plan: LinkPlan) -> list[PerceusError]:
    """Carry out the plan, as the only one who does; return what could not be linked."""
    problems = []
    try:
        plan.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in plan.removed:
            (plan.folder / name).unlink()
    except OSError as error:
        raise PerceusError(f"Cannot keep {error.filename!r}: {error.strerror}") from error
    for name, source in plan.added.items():
        try:
            _link(source, plan.folder / name)
        except OSError as error:
            problems.append(PerceusError(f"Cannot offer {str(source)!r} in {str(plan.folder)!r}: {error.strerror}"))
    return problems


def _link(source: Path, target: Path) -> None:
    beside = target.with_name(f".{target.name}")
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, beside)
    os.replace(beside, target)
