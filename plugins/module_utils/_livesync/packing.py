# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of a delta: a tar archive, compressed by zstd, with the same bytes for the same two images.

libraries/…  files/…  attributes/…  deletions/…    the parts, as far as there is something in them
deleted      the names that go, each with ``./`` before it and a NUL behind it

In ``attributes`` each file is a hole as long as the file: rsync finds nothing in it to send, and gives the node's file
what is beside the content.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .._errors import PerceusError
from .._process import Runner
from .._vnfs.capsule.capsule import PACKING
from .._vnfs.image.entry import Entry
from .._vnfs.work.sandbox import MortalRunner
from .delta import ATTRIBUTES, Delta

DELETED = "deleted"


def pack_delta(delta: Delta, *, tree: Path, scratch: Path, target: Path, runner: Runner) -> None:
    """Write the archive of a delta into ``target``; ``tree`` is the later generation, ``scratch`` an empty folder.

    Raises :class:`PerceusError` when it cannot be written, or would hold what no archive can.
    """
    members = []
    for part, entries in delta.parts.items():
        if part == ATTRIBUTES:
            _write_holes(entries, scratch / part)
        else:
            (scratch / part).symlink_to(tree)
        members += [f"{part}/{_packable(entry).name or '.'}" for entry in entries]
    if delta.deleted:
        _write_names(delta.deleted, scratch / DELETED)
        members.append(DELETED)
    argv = [
        *("tar", "--create", f"--file={target}", "--use-compress-program=zstd -3 -T0", "--sparse", *PACKING),
        *("-C", str(scratch), "--null", "--files-from=-"),
    ]
    MortalRunner(runner)(argv, stdin=b"".join(os.fsencode(member) + b"\0" for member in members))


def _packable(entry: Entry) -> Entry:
    if entry.kind == "socket":
        raise PerceusError(f"Cannot make a delta with {'/' + entry.name!r}: no archive holds a socket")
    return entry


def _write_names(names: Sequence[str], file: Path) -> None:
    file.write_bytes(b"".join(os.fsencode(f"./{name}") + b"\0" for name in names))
    file.chmod(0o644)
    os.utime(file, (0, 0))


def _write_holes(entries: Sequence[Entry], root: Path) -> None:
    """Make the folders of ``entries``, sorted by name, and of each file a hole with all that is beside its content."""
    for entry in entries:
        path = root / entry.name
        if entry.kind == "folder":
            path.mkdir()
        elif entry.same:
            os.link(root / entry.same, path)
        else:
            with path.open("xb") as stream:
                stream.truncate(entry.size)
    for entry in reversed(entries):  # a folder after what is in it, which would inherit its access control list
        path = root / entry.name
        os.chown(path, entry.uid, entry.gid)
        for name, value in entry.xattrs:
            os.setxattr(path, name, bytes.fromhex(value))
        path.chmod(entry.mode)
        os.utime(path, (entry.mtime, entry.mtime))
