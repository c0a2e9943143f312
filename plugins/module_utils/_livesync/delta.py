# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the tree of one generation that of another, as a value: what goes to a node, and what goes from it."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._vnfs.image.entry import Entry, parent, with_folders
from .._vnfs.image.manifest import Manifest
from .._vnfs.report.difference import diff_files

LIBRARIES, FILES, ATTRIBUTES, DELETIONS = "libraries", "files", "attributes", "deletions"

_LIBRARY = re.compile(r".*\.so(\.[^/]*)?", re.DOTALL)

Groups = Mapping[str, frozenset[str]]  # all names of a file that has several, by each of them


@dataclass(frozen=True)
class Delta:
    """The parts of a delta, each a tree by itself, with the folders above what it is about.

    ``libraries`` and ``files`` are what is new or has another content, with all names of each; ``attributes`` are files
    of which nothing but owner, mode, time or extended attributes changes. ``deleted`` are the names that go, topmost
    ones only, and ``deletions`` just the folders in which they are.
    """

    libraries: tuple[Entry, ...]
    files: tuple[Entry, ...]
    attributes: tuple[Entry, ...]
    deletions: tuple[Entry, ...]
    deleted: tuple[str, ...]

    @property
    def parts(self) -> dict[str, tuple[Entry, ...]]:
        """The parts that there is something in, in the order in which a node takes them."""
        parts = {
            LIBRARIES: self.libraries,
            FILES: self.files,
            ATTRIBUTES: self.attributes,
            DELETIONS: self.deletions,
        }
        return {name: entries for name, entries in parts.items() if entries}


def plan_delta(before: Manifest, after: Manifest) -> Delta:
    """Compare two generations.

    A file with several names goes as a whole when these change: one that was changed in its place would change under
    names that it no longer has.
    """
    new = {entry.name: entry for entry in after.entries}
    old_groups, new_groups = _group(before), _group(after)
    whole = {name for name in new if old_groups.get(name) != new_groups.get(name)}
    same_content = set()
    removed = set()
    for change in diff_files(before.entries, after.entries):
        if change.change == "removed":
            removed.add(change.name)
        elif change.change == "metadata" and new[change.name].kind == "file":
            same_content.add(change.name)
        else:
            whole.add(change.name)
    whole.update(*(new_groups[name] for name in whole & new_groups.keys()))
    libraries = {name for name in whole if _LIBRARY.fullmatch(name)}
    libraries.update(*(new_groups[name] for name in libraries & new_groups.keys()))
    deleted = {name for name in removed if (above := new.get(parent(name))) and above.kind == "folder"}
    return Delta(
        libraries=_tree(new, libraries),
        files=_tree(new, whole - libraries),
        attributes=_tree(new, same_content - whole),
        deletions=_tree(new, map(parent, deleted)),
        deleted=tuple(sorted(deleted, key=os.fsencode)),
    )


def has_lookalikes(before: Manifest, after: Manifest) -> bool:
    """Tell whether some file has another content in ``after``, but the size and the time that it has in ``before``.

    A build with SOURCE_DATE_EPOCH gives many files the same time.
    """
    old = {entry.name: entry for entry in before.entries if entry.kind == "file"}
    return any(
        entry.kind == "file"
        and (known := old.get(entry.name)) is not None
        and (known.size, known.mtime) == (entry.size, entry.mtime)
        and known.sha256 != entry.sha256
        for entry in after.entries
    )


def _group(manifest: Manifest) -> Groups:
    names: defaultdict[str, set[str]] = defaultdict(set)
    for entry in manifest.entries:
        if entry.same:
            names[entry.same] |= {entry.same, entry.name}
    return {name: frozenset(group) for group in names.values() for name in group}


def _tree(entries: Mapping[str, Entry], names: Iterable[str]) -> tuple[Entry, ...]:
    """Return the entries of these names and of the folders above them, sorted."""
    wanted = set(names)
    for name in list(wanted):
        wanted.update(("", *with_folders(name)))
    return tuple(entries[name] for name in sorted(wanted, key=os.fsencode))
