# SPDX-License-Identifier: GPL-3.0-or-later
"""Hybridize: what leaves an image for a second one, which nodes mount over NFS as another layer of their root.

In the place of each folder that leaves stays an empty one with a text, for nodes that boot while the server is away.
The second image hides the text, by a whiteout of overlayfs: a character device with number 0/0.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..image.acls import ACLS, render_acls
from ..image.entry import Entry, parent, with_folders
from ..image.manifest import Manifest
from ..image.patterns import compile_patterns

TEXT_NAME = "NOT-HERE.perceus"
TEXT = """\
What belongs in this folder is not part of this node's image. It comes from an NFS server,
which did not answer when the node booted. Boot the node again once the server is there.
"""


@dataclass(frozen=True)
class Hybrid:
    """``names`` are all that leave an image, in the order of its manifest."""

    manifest: Manifest
    names: tuple[str, ...]

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The topmost folders that leave; an empty one stays in the place of each."""
        inside = frozenset(self.names)
        kinds = {entry.name: entry.kind for entry in self.manifest.entries}
        return tuple(name for name in self.names if kinds[name] == "folder" and parent(name) not in inside)

    @property
    def texts(self) -> tuple[str, ...]:
        """Where the text is."""
        return tuple(f"{folder}/{TEXT_NAME}" for folder in self.folders)

    @property
    def left_out_of_image(self) -> list[str]:
        """The topmost names that the first image has not."""
        inside, stay = frozenset(self.names), frozenset(self.folders)
        gone = (
            name for name in self.names if name not in stay and (parent(name) in stay or parent(name) not in inside)
        )
        return [*self.manifest.left_out, *gone]

    @property
    def left_out_of_hybrid(self) -> list[str]:
        """The topmost names that the second image has not."""
        return [*self.manifest.left_out, *others(self.manifest.entries, {*self.names, ACLS})]

    @property
    def staying(self) -> tuple[Entry, ...]:
        """The entries of the first image."""
        inside = frozenset(self.names) - frozenset(self.folders)
        return tuple(entry for entry in self.manifest.entries if entry.name not in inside)

    @property
    def acls(self) -> str:
        """The access control lists of the first image; the second has those of all files, if it has any."""
        return render_acls(self.staying)

    @property
    def has_acls(self) -> bool:
        inside = frozenset(self.names)
        return any(entry.has_acls and entry.name in inside for entry in self.manifest.entries)


def split(manifest: Manifest, patterns: Iterable[str]) -> Hybrid | None:
    """Return what ``patterns`` have leave an image; None when that is nothing."""
    leaving = compile_patterns(patterns)
    names = tuple(
        entry.name for entry in manifest.entries if leaving.match(entry.name, is_folder=entry.kind == "folder")
    )
    return Hybrid(manifest, names) if names else None


def render_text_additions(hybrid: Hybrid, text: Path) -> list[str]:
    """Return the options of mksquashfs that put the text, which is in a file, into the first image."""
    content = f"F 0 444 0 0 cat {shlex.quote(str(text))}"
    return [word for name in hybrid.texts for word in ("-p", f"{_quoted(name)} {content}")]


def render_hybrid_additions(hybrid: Hybrid, acls: Path) -> list[str]:
    """Return the options of mksquashfs that hide the text, and give the second image the access control lists."""
    whiteouts = [word for name in hybrid.texts for word in ("-p", f"{_quoted(name)} c 0 0 0 0 0")]
    lists = ["-p", f"{ACLS} F 0 444 0 0 cat {shlex.quote(str(acls))}"] if hybrid.has_acls else []
    return [*whiteouts, *lists]


def _quoted(name: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def others(entries: Collection[Entry], names: set[str]) -> list[str]:
    """Return the topmost names that are neither of ``names`` nor folders above them."""
    opened = {"", *(folder for name in names for folder in with_folders(name))} - names
    shown = names | opened
    return [entry.name for entry in entries if entry.name not in shown and parent(entry.name) in opened]
