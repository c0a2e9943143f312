# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays as they lie on the master.

NAME/files/…      what becomes files of the node's root
NAME/init.d/NN-x  scripts that run in the new root before its systemd starts
NAME/ready.d/NN-x scripts that run when the node is up
NAME/README.md    for people
.NAME.perceus-new what an overlay is about to be, and .NAME.perceus-old what it was, while it is replaced

Files are the node's root's, with the mode that they have here. What ends in ``.j2`` is a template.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .._errors import PerceusError

FILES, INIT, READY = "files", "init.d", "ready.d"
PARTS = (FILES, INIT, READY)
NEW, OLD = ".perceus-new", ".perceus-old"
LARGEST = 16 * 1024 * 1024  # bytes in one overlay; it lies in the memory of nodes, and more belongs into a VNFS

_NAME = re.compile(r"[!-.0-~]+(?: [!-.0-~]+)*", re.ASCII)


@dataclass(frozen=True)
class SourceFile:
    """``name`` is relative to the overlay. A link has a ``target`` and no content."""

    name: str
    mode: int
    content: bytes = b""
    target: str = ""


@dataclass(frozen=True)
class Overlay:
    """An overlay's files, by name. Raises :class:`PerceusError` when they are too large."""

    name: str
    files: tuple[SourceFile, ...]

    def __post_init__(self) -> None:
        size = sum(len(file.content) for file in self.files)
        if size > LARGEST:
            raise PerceusError(
                f"Cannot use overlay {self.name!r}: {size // 1024} KiB are more than {LARGEST // 1024}",
                hint="Put large files into the VNFS",
            )


def list_overlays(sources: Path) -> list[str]:
    """Return the names of the overlays that there are, sorted."""
    try:
        return sorted(entry.name for entry in os.scandir(sources) if entry.is_dir() and not entry.name.startswith("."))
    except FileNotFoundError:
        return []


def sweep_overlays(sources: Path) -> None:
    """Undo what a killed change left half done, under the lock that changes hold. Raises :class:`PerceusError`."""
    try:
        for old in sources.glob(f".*{OLD}"):
            folder = sources / old.name[1 : -len(OLD)]
            if not folder.exists():
                old.rename(folder)
        for left in (*sources.glob(f".*{NEW}"), *sources.glob(f".*{OLD}")):
            shutil.rmtree(left)
    except OSError as error:
        raise PerceusError(f"Cannot tidy {error.filename!r}: {error.strerror}") from error


def load_overlay(sources: Path, name: str) -> Overlay:
    """Read an overlay. Raises :class:`PerceusError` when there is none, or when it holds what no node can be given."""
    try:
        files = tuple(sorted(_read(sources / name, "", name), key=lambda file: file.name))
    except FileNotFoundError as error:
        raise PerceusError(
            f"Cannot find overlay {name!r}", hint="See overlays_list for those that there are"
        ) from error
    except OSError as error:
        raise PerceusError(f"Cannot read {error.filename!r} of overlay {name!r}: {error.strerror}") from error
    return Overlay(name, files)


def check_name(name: str, *, overlay: str) -> str:
    """Return the name of a file in an overlay, relative to it. Raises :class:`PerceusError` for an impossible one."""
    part, *inner = name.split("/")
    if part not in PARTS or not inner or not all(_NAME.fullmatch(step) for step in inner) or {".", ".."} & set(inner):
        raise PerceusError(
            f"Cannot use {name!r} in overlay {overlay!r}: not a plain name below {', '.join(PARTS)}",
            hint="Rename it, or move it away",
        )
    if part != FILES and inner[1:]:
        raise PerceusError(f"Cannot use {name!r} in overlay {overlay!r}: {part} holds scripts and no folders")
    return name


def _read(folder: Path, below: str, overlay: str) -> Iterator[SourceFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _read(Path(entry.path), f"{name}/", overlay)
            elif not (below == "" and entry.name.startswith("README")):
                yield _read_file(entry, check_name(name, overlay=overlay), overlay)


def _read_file(entry: os.DirEntry[str], name: str, overlay: str) -> SourceFile:
    if entry.is_symlink():
        return SourceFile(name, 0o777, target=os.readlink(entry.path))
    if not entry.is_file():
        raise PerceusError(f"Cannot use {name!r} in overlay {overlay!r}: neither a file nor a link")
    with open(entry.path, "rb") as stream:
        return SourceFile(name, os.fstat(stream.fileno()).st_mode & 0o7777, stream.read(LARGEST + 1))
