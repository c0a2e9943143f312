# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image holds, file by file: one walk over a tree, without following a link of it.

What belongs to one machine or one moment is not part of an image (:func:`is_scrubbed`): ssh host keys, logs, package
lists, the content of /run. The machine id is there, but empty: filled by each boot, which is not taken for a first one.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .._errors import PerceusError

FORMAT = "perceus-manifest"
VERSION = 1
BLOCK = 1024 * 1024  # bytes
MACHINE_ID = "etc/machine-id"
KEPT_ATTRIBUTES = ("security.", "trusted.", "user.")  # by squashfs: access control lists are not
JOURNAL = "var/log/journal"

# The folders stay, what is in them does not.
_EMPTIED = frozenset(
    {
        "dev",
        "proc",
        "run",
        "sys",
        "tmp",
        "var/cache/apt/archives",
        "var/lib/apt/lists",
        "var/lib/dhcp",
        "var/lib/systemd/coredump",
        "var/tmp",
    }
)
_SCRUBBED = (
    "etc/ssh/ssh_host_*_key",
    "etc/ssh/ssh_host_*_key.pub",
    "root/.bash_history",
    "var/cache/apt/*.bin",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/credential.secret",
    "var/lib/systemd/random-seed",
)
# What a sandbox that was killed leaves empty, where there was nothing to mount over.
_PLACEHOLDERS = ("etc/resolv.conf", "usr/sbin/policy-rc.d")
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


EMPTY_MACHINE_ID = Entry(MACHINE_ID, "file", 0o444, 0, 0, sha256=hashlib.sha256().hexdigest())


@dataclass(frozen=True)
class Manifest:
    """The content of an image, sorted by name.

    ``scrubbed`` is what of the tree is left out, topmost names only. ``stripped`` are files whose access control lists
    are left out; but not the journal's folder, where tmpfiles.d(5) sets them at each boot.
    """

    entries: tuple[Entry, ...]
    scrubbed: tuple[str, ...]
    stripped: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes in files, each counted once."""
        return sum(entry.size for entry in self.entries if not entry.same)

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


def is_scrubbed(name: str, kind: str, *, size: int) -> bool:
    """Whether this file of a tree stays out of its image."""
    folder = name.rpartition("/")[0]
    return (
        name == MACHINE_ID
        or folder in _EMPTIED
        or (kind == "file" and size == 0 and name in _PLACEHOLDERS)
        or (kind == "file" and name.startswith("var/log/"))
        or (kind == "file" and any(fnmatch.fnmatchcase(name, pattern) for pattern in _SCRUBBED))
    )


def walk_tree(rootfs: Path) -> Manifest:
    """Return what an image of the tree holds. Raises :class:`PerceusError` when a file cannot be read."""
    scrubbed: list[str] = []
    stripped: list[str] = []
    first_names: dict[int, str] = {}
    entries = [EMPTY_MACHINE_ID]
    try:
        found = sorted(_scan(rootfs, scrubbed), key=lambda pair: os.fsencode(pair[0]))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            hashes = pool.map(lambda pair: _sha256(rootfs / pair[0], pair[1]), found)
            for (name, status), sha256 in zip(found, hashes):
                same = first_names.setdefault(status.st_ino, name) if _has_names(status) else name
                attributes = os.listxattr(rootfs / name, follow_symlinks=False)
                kept = [attribute for attribute in attributes if attribute.startswith(KEPT_ATTRIBUTES)]
                if len(kept) < len(attributes) and not name.startswith(JOURNAL):
                    stripped.append(name)
                entries.append(_entry(rootfs, name, status, sha256, kept, "" if same == name else same))
    except OSError as error:
        raise PerceusError(f"Cannot read {error.filename!r}: {error.strerror}") from error
    entries.sort(key=lambda entry: os.fsencode(entry.name))
    return Manifest(tuple(entries), tuple(sorted(scrubbed)), tuple(stripped))


def _scan(rootfs: Path, scrubbed: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield each name in the image with its status, and collect what is left out in ``scrubbed``."""
    yield "", rootfs.lstat()
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(rootfs / folder) as files:
            for file in files:
                name = f"{folder}/{file.name}" if folder else file.name
                status = file.stat(follow_symlinks=False)
                kind = _KINDS[stat.S_IFMT(status.st_mode)]
                if is_scrubbed(name, kind, size=status.st_size):
                    scrubbed.append(name)
                    continue
                if kind == "folder":
                    folders.append(name)
                yield name, status


def _has_names(status: os.stat_result) -> bool:
    return status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)


def _entry(rootfs: Path, name: str, status: os.stat_result, sha256: str, attributes: Iterable[str], same: str) -> Entry:
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    path = rootfs / name
    device = os.major(status.st_rdev), os.minor(status.st_rdev)
    return Entry(
        name=name,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind == "file" else 0,
        mtime=0 if kind == "folder" else int(status.st_mtime),
        sha256=sha256,
        target=os.readlink(path) if kind == "link" else "",
        device=device if kind in ("char", "block") else None,
        xattrs=tuple(
            (attribute, os.getxattr(path, attribute, follow_symlinks=False).hex()) for attribute in sorted(attributes)
        ),
        same=same,
    )


def _sha256(path: Path, status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return ""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        return hash_stream(stream)


def hash_stream(stream: IO[bytes]) -> str:
    """Return the SHA-256, in hex, of what is left to read."""
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
