# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that hold exactly what follows from the registry: nothing missing, nothing stale, nothing written twice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .._errors import PerceusError


@dataclass(frozen=True)
class FolderPlan:
    """What makes a folder hold the wanted files. The values of ``added`` and ``changed`` are whole contents by name."""

    folder: Path
    added: Mapping[str, str]
    changed: Mapping[str, str]
    removed: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def describe(self) -> list[str]:
        """Return one line for each file that differs."""
        verbs = {"added": self.added, "changed": self.changed, "removed": self.removed}
        return [f"{verb} {self.folder.name}/{name}" for verb, names in verbs.items() for name in names]


def plan_folder(folder: Path, wanted: Mapping[str, str]) -> FolderPlan:
    """Compare ``wanted``, contents by name, with the files in ``folder``, which is read once.

    Whatever else lies there, such as a temporary file of a run that was killed, is to be removed.
    Raises :class:`PerceusError` when the folder cannot be read.
    """
    present = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_file = entry.is_file(follow_symlinks=False) and entry.name in wanted
                present[entry.name] = Path(entry.path).read_bytes() if is_file else None
    except FileNotFoundError:
        pass  # as good as empty: the plan makes it
    except OSError as error:
        raise PerceusError(f"Cannot read {str(folder)!r}: {error.strerror}") from error
    return FolderPlan(
        folder,
        added={name: content for name, content in wanted.items() if name not in present},
        changed={
            name: content for name, content in wanted.items() if name in present and present[name] != content.encode()
        },
        removed=tuple(sorted(present.keys() - wanted.keys())),
    )


def apply_folder(plan: FolderPlan) -> None:
    """Carry out the plan, as the only one who does; what a power cut takes of it, the next plan makes again.

    Raises :class:`PerceusError` when the folder cannot be made or written.
    """
    folder = str(plan.folder)
    try:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        for name, content in {**plan.added, **plan.changed}.items():
            _write(f"{folder}/{name}", f"{folder}/.{name}", content)
        for name in plan.removed:
            os.unlink(f"{folder}/{name}")
    except OSError as error:
        raise PerceusError(f"Cannot keep {error.filename or folder!r}: {error.strerror}") from error


def _write(target: str, beside: str, content: str) -> None:
    """Give ``target`` this content, whole for whoever reads it; it is not synced, as there may be thousands."""
    with open(beside, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(content)
    os.replace(beside, target)
