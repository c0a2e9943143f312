# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image holds, file by file: one walk over a tree, without following a link of it.

What belongs to one machine or one moment (``scrub.py``) is not part of an image, nor what the operator excludes. The
machine id is there, but empty: filled by each boot, which is not taken for a first one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple, Optional

from ..._errors import PerceusError
from .acls import ACLS, render_acls
from .entry import Entry, kind_of, load_entry, parse_entry
from .patterns import Patterns, compile_patterns
from .scrub import MACHINE_ID, is_scrubbed
from .secrets import Secret
from .seen import Seen

FORMAT = "perceus-manifest"
VERSION = 1
BLOCK = 1024 * 1024  # bytes
NO_PATTERNS = compile_patterns(())

FindSecret = Callable[[str, bytes], Optional[str]]


@dataclass
class Excluded:
    """What a pattern keeps out of an image: topmost names, how many files in all, folders included, and their bytes."""

    names: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0


EMPTY_MACHINE_ID = Entry(MACHINE_ID, "file", 0o444, 0, 0, sha256=hashlib.sha256().hexdigest())


@dataclass(frozen=True)
class Manifest:
    """The content of an image, sorted by name.

    ``scrubbed`` is what of the tree is left out as no image has it, topmost names only, ``excluded`` what is by each of
    the operator's patterns. ``secrets`` are files that may not be published unasked. ``acls`` is the text of
    :data:`ACLS`, empty when the image has no such file.
    """

    entries: tuple[Entry, ...]
    scrubbed: tuple[str, ...] = ()
    excluded: Mapping[str, Excluded] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    acls: str = ""

    @property
    def left_out(self) -> list[str]:
        """The topmost names of all that is in the tree but not in the image."""
        return [*self.scrubbed, *(name for excluded in self.excluded.values() for name in excluded.names)]

    @property
    def size(self) -> int:
        """Bytes in files, each counted once."""
        return sum(entry.size for entry in self.entries if not entry.same)

    def as_excluded(self) -> list[dict[str, Any]]:
        """Return for each of the operator's patterns how much it keeps out."""
        return [
            {"pattern": pattern, "files": excluded.files, "bytes": excluded.size}
            for pattern, excluded in self.excluded.items()
        ]

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Each entry as the manifest has it."""
        return tuple(entry.render() for entry in self.entries)

    def generation(self, options: Iterable[str]) -> str:
        """Return the id of the image that this tree and these options make."""
        digest = hashlib.sha256()
        for line in (*options, *self.lines):
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()[:16]

    def render(self) -> str:
        """Return ``manifest.json``: JSON with one file a line."""
        lines = ",\n".join(self.lines)
        return f'{{"format": "{FORMAT}", "version": {VERSION}, "entries": [\n{lines}\n]}}\n'


def parse_manifest(text: str) -> Manifest:
    """Turn the text of ``manifest.json`` into a manifest, which knows nothing of what was left out.

    Raises ValueError when it is not of that format.
    """
    document: Any = json.loads(text)
    try:
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"not of format {FORMAT!r} {VERSION}")
        return Manifest(tuple(parse_entry(fields) for fields in document["entries"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not of format {FORMAT!r}: {error}") from error


def walk_tree(
    rootfs: Path, *, exclude: Patterns = NO_PATTERNS, find_secret: FindSecret | None = None, seen: Seen | None = None
) -> Manifest:
    """Return what an image of the tree holds. Raises :class:`PerceusError` when a file cannot be read.

    What ``seen`` knows from an earlier walk with the same ``exclude`` and ``find_secret`` is not read again.
    """
    seen = seen or Seen()
    scrubbed: list[str] = []
    excluded = {pattern: Excluded() for pattern in exclude.texts}
    secrets: list[Secret] = []
    first_names: dict[int, str] = {}
    entries = [EMPTY_MACHINE_ID]
    try:
        found = sorted(_scan(rootfs, exclude, seen, scrubbed, excluded), key=lambda file: os.fsencode(file.name))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            unread = [file for file in found if file.entry is None]
            read = pool.map(lambda file: _read(rootfs, file, find_secret), unread)
            for file in found:
                entry = file.entry
                if entry is None:
                    entry, secret = next(read)
                    if secret:
                        secrets.append(Secret(file.name, secret))
                    else:
                        seen.remember(entry, file.status)
                if _has_names(file.status):
                    same = first_names.setdefault(file.status.st_ino, file.name)
                    entry = replace(entry, same="" if same == file.name else same)
                entries.append(entry)
    except OSError as error:
        raise PerceusError(f"Cannot read {error.filename!r}: {error.strerror}") from error
    acls = render_acls(entries)
    if acls:
        sha256 = hashlib.sha256(os.fsencode(acls)).hexdigest()
        entries.append(Entry(ACLS, "file", 0o444, 0, 0, size=len(os.fsencode(acls)), sha256=sha256))
    entries.sort(key=lambda entry: os.fsencode(entry.name))
    return Manifest(tuple(entries), tuple(sorted(scrubbed)), excluded, tuple(secrets), acls)


class File(NamedTuple):
    """A file that was met, and what is known of it already."""

    name: str
    status: os.stat_result
    entry: Entry | None


def _scan(
    rootfs: Path, exclude: Patterns, seen: Seen, scrubbed: list[str], excluded: Mapping[str, Excluded]
) -> Iterator[File]:
    """Yield each file in the image, and collect what is left out in ``scrubbed`` and ``excluded``."""
    status = rootfs.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(rootfs))
    yield File("", status, seen.recall("", status))
    folders = [""]
    while folders:
        folder = folders.pop()
        for name, status in _list(rootfs, folder):
            entry = seen.recall(name, status)
            kind = entry.kind if entry else kind_of(status)
            if entry is None and is_scrubbed(name, kind, size=status.st_size, target=_target(rootfs / name, kind)):
                scrubbed.append(name)
            elif entry is None and (pattern := exclude.match(name, is_folder=kind == "folder")):
                excluded[pattern].names.append(name)
                _count(rootfs, name, status, excluded[pattern])
            else:
                if kind == "folder":
                    folders.append(name)
                yield File(name, status, entry)


def _list(rootfs: Path, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(rootfs / folder) as files:
        for file in files:
            yield f"{folder}/{file.name}" if folder else file.name, file.stat(follow_symlinks=False)


def _count(rootfs: Path, name: str, status: os.stat_result, excluded: Excluded) -> None:
    """Add a file, or a folder and all below it."""
    pending = [(name, status)]
    while pending:
        found, status = pending.pop()
        excluded.files += 1
        if stat.S_ISREG(status.st_mode):
            excluded.size += status.st_size
        elif stat.S_ISDIR(status.st_mode):
            pending.extend(_list(rootfs, found))


def _target(path: Path, kind: str) -> str:
    return os.readlink(path) if kind == "link" else ""


def _has_names(status: os.stat_result) -> bool:
    return status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)


def _read(rootfs: Path, file: File, find_secret: FindSecret | None) -> tuple[Entry, str | None]:
    """Return the entry of a file, and the kind of secret at its beginning."""
    if not stat.S_ISREG(file.status.st_mode):
        return load_entry(rootfs, file.name, file.status, ""), None
    descriptor = os.open(rootfs / file.name, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        beginning = stream.read(BLOCK)
        secret = find_secret(file.name, beginning) if find_secret else None
        sha256 = hash_stream(stream, hashlib.sha256(beginning))
    return load_entry(rootfs, file.name, file.status, sha256), secret


def hash_stream(stream: IO[bytes], digest: hashlib._Hash | None = None) -> str:
    """Return the SHA-256, in hex, of what ``digest`` has already and what is left to read."""
    digest = digest or hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
