# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of an image, as its manifest has it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"  # acl(5)
KEPT_ATTRIBUTES = ("security.", "trusted.", "user.")
JOURNAL = "var/log/journal"  # tmpfiles.d(5) sets its access control lists at each boot

_compact = json.JSONEncoder(separators=(",", ":")).encode  # made once: a tree has many files
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

    def as_fields(self) -> dict[str, Any]:
        """Return the entry as JSON has it, without what it does not have."""
        fields: dict[str, Any] = {"name": self.name, "kind": self.kind, "mode": f"{self.mode:04o}"}
        fields.update(uid=self.uid, gid=self.gid)
        if self.kind == "file":
            fields.update(size=self.size, sha256=self.sha256)
        if self.kind != "folder":
            fields.update(mtime=self.mtime)
        if self.target:
            fields.update(target=self.target)
        if self.device:
            fields.update(device=self.device)
        if self.same:
            fields.update(same=self.same)
        if self.xattrs:
            fields.update(xattrs=dict(self.xattrs))
        return fields

    def render(self) -> str:
        """Return the entry as one line of JSON."""
        return _compact(self.as_fields())

    @property
    def has_acls(self) -> bool:
        """Whether it has an access control list, or is a folder that gives one to what is made in it."""
        return not {ACCESS, DEFAULT}.isdisjoint(dict(self.xattrs))


def parse_entry(fields: dict[str, Any]) -> Entry:
    typed = {**fields, "mode": int(fields["mode"], 8)}
    if "device" in fields:
        typed["device"] = tuple(fields["device"])
    if "xattrs" in fields:
        typed["xattrs"] = tuple(fields["xattrs"].items())
    return Entry(**typed)


def kind_of(status: os.stat_result) -> str:
    """Return what kind of file this is, in the words of :attr:`Entry.kind`."""
    return _KINDS[stat.S_IFMT(status.st_mode)]


def load_entry(rootfs: Path, name: str, status: os.stat_result, sha256: str) -> Entry:
    """Return the entry of a file of a tree, all but whether it is the ``same`` as another."""
    kind = kind_of(status)
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
        target=os.readlink(path) if kind == "link" else "",
        device=device if kind in ("char", "block") else None,
        xattrs=tuple(
            (attribute, os.getxattr(path, attribute, follow_symlinks=False).hex()) for attribute in attributes
        ),
    )


def _is_kept(name: str, attribute: str) -> bool:
    if attribute in (ACCESS, DEFAULT):
        return not name.startswith(JOURNAL)
    return attribute.startswith(KEPT_ATTRIBUTES)


def with_folders(name: str) -> Iterator[str]:
    """Yield a name and the folders above it, the root excepted."""
    while name:
        yield name
        name = parent(name)


def parent(name: str) -> str:
    return name.rpartition("/")[0]
