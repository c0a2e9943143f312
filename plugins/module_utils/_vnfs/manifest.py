# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image holds, file by file: one walk over a tree, without following a link of it.

What belongs to one machine or one moment (``scrub.py``) is not part of an image, nor what the operator excludes. The
machine id is there, but empty: filled by each boot, which is not taken for a first one.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Optional

from .._errors import PerceusError
from .acls import ACCESS, ACLS, DEFAULT, render_acls
from .patterns import Patterns, compile_patterns
from .scrub import MACHINE_ID, is_scrubbed
from .secrets import Secret

FORMAT = "perceus-manifest"
VERSION = 1
BLOCK = 1024 * 1024  # bytes
KEPT_ATTRIBUTES = ("security.", "trusted.", "user.")
JOURNAL = "var/log/journal"  # tmpfiles.d(5) sets its access control lists at each boot
NO_PATTERNS = compile_patterns(())

FindSecret = Callable[[str, bytes], Optional[str]]

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


@dataclass(frozen=True)
class Entry:
    """One file of whatever kind.

    ``name`` is relative to the root; bytes that are not UTF-8 are surrogates. ``mode`` has the permission bits with
    setuid, setgid and sticky; ``mtime`` is in seconds since 1970, 0 for folders, which change it whenever a program
    makes and removes a temporary file in them; ``size`` in bytes. ``target`` is a link's, ``device`` the numbers of
    a device, ``xattrs`` hex by name, ``same`` the first name of a file that has several.
    """

    name: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int = 0
    mtime: int = 0
    sha256: str = ""
    target: str = ""
    device: tuple[int, int] | None = None
    xattrs: tuple[tuple[str, str], ...] = ()
    same: str = ""

    def render(self) -> str:
        """Return the entry as one line of JSON, without what it does not have."""
        fields: dict[str, Any] = {"name": self.name, "kind": self.kind, "mode": f"{self.mode:04o}"}
        fields.update(uid=self.uid, gid=self.gid)
        if self.kind == "file":
            fields.update(size=self.size, sha256=self.sha256)
        if self.kind != "folder":
            fields.update(mtime=self.mtime)
        fields.update({key: getattr(self, key) for key in ("target", "device", "same") if getattr(self, key)})
        if self.xattrs:
            fields.update(xattrs=dict(self.xattrs))
        return json.dumps(fields, separators=(",", ":"))

    @property
    def has_acls(self) -> bool:
        """Whether it has an access control list, or is a folder that gives one to what is made in it."""
        return not {ACCESS, DEFAULT}.isdisjoint(dict(self.xattrs))


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

    def generation(self, options: Iterable[str]) -> str:
        """Return the id of the image that this tree and these options make."""
        digest = hashlib.sha256()
        for line in (*options, *(entry.render() for entry in self.entries)):
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()[:16]

    def render(self) -> str:
        """Return ``manifest.json``: JSON with one file a line."""
        lines = ",\n".join(entry.render() for entry in self.entries)
        return f'{{"format": "{FORMAT}", "version": {VERSION}, "entries": [\n{lines}\n]}}\n'


def parse_manifest(text: str) -> Manifest:
    """Turn the text of ``manifest.json`` into a manifest, which knows nothing of what was left out.

    Raises ValueError when it is not of that format.
    """
    document: Any = json.loads(text)
    try:
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"not of format {FORMAT!r} {VERSION}")
        return Manifest(tuple(_parse_entry(fields) for fields in document["entries"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not of format {FORMAT!r}: {error}") from error


def _parse_entry(fields: dict[str, Any]) -> Entry:
    device = fields.get("device")
    return Entry(
        **{
            **fields,
            "mode": int(fields["mode"], 8),
            "device": tuple(device) if device else None,
            "xattrs": tuple(fields.get("xattrs", {}).items()),
        }
    )


def walk_tree(rootfs: Path, *, exclude: Patterns = NO_PATTERNS, find_secret: FindSecret | None = None) -> Manifest:
    """Return what an image of the tree holds. Raises :class:`PerceusError` when a file cannot be read."""
    scrubbed: list[str] = []
    excluded = {pattern: Excluded() for pattern in exclude.texts}
    secrets: list[Secret] = []
    first_names: dict[int, str] = {}
    entries = [EMPTY_MACHINE_ID]
    try:
        found = sorted(_scan(rootfs, exclude, scrubbed, excluded), key=lambda pair: os.fsencode(pair[0]))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            contents = pool.map(lambda pair: _read(rootfs, pair[0], pair[1], find_secret), found)
            for (name, status), (sha256, secret) in zip(found, contents):
                same = first_names.setdefault(status.st_ino, name) if _has_names(status) else name
                entries.append(_entry(rootfs, name, status, sha256, "" if same == name else same))
                if secret:
                    secrets.append(Secret(name, secret))
    except OSError as error:
        raise PerceusError(f"Cannot read {error.filename!r}: {error.strerror}") from error
    acls = render_acls(entries)
    if acls:
        sha256 = hashlib.sha256(os.fsencode(acls)).hexdigest()
        entries.append(Entry(ACLS, "file", 0o444, 0, 0, size=len(os.fsencode(acls)), sha256=sha256))
    entries.sort(key=lambda entry: os.fsencode(entry.name))
    return Manifest(tuple(entries), tuple(sorted(scrubbed)), excluded, tuple(secrets), acls)


def _scan(
    rootfs: Path, exclude: Patterns, scrubbed: list[str], excluded: Mapping[str, Excluded]
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield each name in the image with its status, and collect what is left out in ``scrubbed`` and ``excluded``."""
    yield "", rootfs.lstat()
    folders = [""]
    while folders:
        folder = folders.pop()
        for name, status in _list(rootfs, folder):
            kind = _KINDS[stat.S_IFMT(status.st_mode)]
            if is_scrubbed(name, kind, size=status.st_size, target=_target(rootfs / name, kind)):
                scrubbed.append(name)
            elif pattern := exclude.match(name, is_folder=kind == "folder"):
                excluded[pattern].names.append(name)
                _count(rootfs, name, status, excluded[pattern])
            else:
                if kind == "folder":
                    folders.append(name)
                yield name, status


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


def _entry(rootfs: Path, name: str, status: os.stat_result, sha256: str, same: str) -> Entry:
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    path = rootfs / name
    device = os.major(status.st_rdev), os.minor(status.st_rdev)
    attributes = sorted(filter(partial(_is_kept, name), os.listxattr(path, follow_symlinks=False)))
    return Entry(
        name=name,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind == "file" else 0,
        mtime=0 if kind == "folder" else int(status.st_mtime),
        sha256=sha256,
        target=_target(path, kind),
        device=device if kind in ("char", "block") else None,
        xattrs=tuple(
            (attribute, os.getxattr(path, attribute, follow_symlinks=False).hex()) for attribute in attributes
        ),
        same=same,
    )


def _is_kept(name: str, attribute: str) -> bool:
    if attribute in (ACCESS, DEFAULT):
        return not name.startswith(JOURNAL)
    return attribute.startswith(KEPT_ATTRIBUTES)


def _read(rootfs: Path, name: str, status: os.stat_result, find_secret: FindSecret | None) -> tuple[str, str | None]:
    """Return the SHA-256 of a file, empty for what is none, and the kind of secret at its beginning."""
    if not stat.S_ISREG(status.st_mode):
        return "", None
    descriptor = os.open(rootfs / name, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        beginning = stream.read(BLOCK)
        secret = find_secret(name, beginning) if find_secret else None
        return hash_stream(stream, hashlib.sha256(beginning)), secret


def hash_stream(stream: IO[bytes], digest: hashlib._Hash | None = None) -> str:
    """Return the SHA-256, in hex, of what ``digest`` has already and what is left to read."""
    digest = digest or hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
