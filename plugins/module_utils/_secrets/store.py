# SPDX-License-Identifier: GPL-3.0-or-later
"""Where secrets are declared: for all nodes, those of a VNFS, those of a group, or a single one.

secrets/all.json              each a file as ``secret.py`` has it, root's alone
secrets/vnfs/NAME.json
secrets/group/NAME.json
secrets/node/NAME.json        goes and is renamed with its node, as its host key does
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .._errors import PerceusError
from .._files import sync_folder, write_atomically
from .._nodes.registry import Node
from .._overlays.scopes import SCOPES
from .secret import Secret, parse_secrets, render_secrets

ALL = ""  # whose secrets are those of all nodes


def holder_file(folder: Path, scope: str, holder: str) -> Path:
    """Return the file with the secrets of that VNFS, group or node."""
    return folder / scope / f"{holder}.json" if holder else folder / f"{scope}.json"


def load_secrets(file: Path) -> dict[str, Secret]:
    """Return the secrets in a file by their own files; one that is not there has none.

    Raises :class:`PerceusError` when it cannot be read.
    """
    try:
        text = file.read_text(encoding="ascii")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PerceusError(f"Cannot read secrets in {str(file)!r}: {error}") from error
    return {secret.file: secret for secret in parse_secrets(text, what=str(file))}


def save_secrets(file: Path, secrets: dict[str, Secret]) -> None:
    """Write what :func:`load_secrets` reads. Raises :class:`PerceusError` when that is not possible."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not secrets:
            file.unlink(missing_ok=True)
            sync_folder(file.parent)
            return
    except OSError as error:
        raise PerceusError(f"Cannot write {str(file)!r}: {error.strerror}") from error
    write_atomically(file, render_secrets(secrets.values()), mode=0o600)


@dataclass(frozen=True)
class Held:
    """A secret that a node gets, by the scope and holder that have it."""

    scope: str
    holder: str
    secret: Secret


class Declared:
    """All that is declared, each file of it read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, dict[str, Secret]] = {}

    def of(self, node: Node, *, vnfs: str) -> tuple[Held, ...]:
        """Return what a node that runs ``vnfs`` is to have, by file; of two of one file, the more particular."""
        found: dict[str, Held] = {}
        for scope, holder in zip(SCOPES, (ALL, vnfs, node.group, node.name)):
            for file, secret in self._load(holder_file(self._folder, scope, holder)).items():
                found[file] = Held(scope, holder, secret)
        return tuple(found[file] for file in sorted(found))

    def _load(self, file: Path) -> dict[str, Secret]:
        if file not in self._read:
            self._read[file] = load_secrets(file)
        return self._read[file]
