# SPDX-License-Identifier: GPL-3.0-or-later
"""The capsule, a VNFS in one file ``NAME-GENERATION.vnfs``: a tar archive, compressed by zstd.

capsule.json    what it is; first, so that reading the beginning tells it
manifest.json   every file of the tree, as in an image; second
rootfs/…        the tree, as an image would hold it

What is unpacked is compared with the manifest, file by file: a capsule gives what was put in it, or nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from ..._errors import PerceusError
from ..._process import Runner
from ..image.acls import ACLS
from ..image.manifest import EMPTY_MACHINE_ID, Manifest, hash_stream, walk_tree
from ..phases import Phases, growth_on
from ..recipe.check import SHA256, check
from ..recipe.fields import plain, take_fields
from ..work.sandbox import MortalRunner
from .archive import PRESERVING, Archive, Member, Room, naming_the_cause

FORMAT = "perceus-capsule"
VERSION = 1
SUFFIX = ".vnfs"
HEADER, MANIFEST, TREE = "capsule.json", "manifest.json", "rootfs"
LARGEST_HEADER, LARGEST_MANIFEST = 1024**2, 512 * 1024**2  # bytes

PACKING = (
    *("--format=pax", "--no-recursion", *PRESERVING),
    # tar's own headers would have its process id in their names
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
)
MADE = (EMPTY_MACHINE_ID.name, ACLS)  # for an image, and not from the tree

_GENERATION = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True)
class Header:
    """``capsule.json``. ``files`` are those in the manifest, ``bytes`` those in them, ``manifest`` its SHA-256 in hex;
    ``recipe`` is that of the VNFS without what is its master's own.
    """

    vnfs: str
    generation: str
    created: str
    files: int
    bytes: int
    manifest: str
    recipe: Mapping[str, Any]

    def __post_init__(self) -> None:
        check("generation", self.generation, _GENERATION)
        check("manifest's SHA-256", self.manifest, SHA256)
        if self.files < 0 or self.bytes < 0:
            raise PerceusError(f"Cannot use the header: {self.files} files with {self.bytes} bytes cannot be")

    def render(self) -> str:
        return json.dumps({"format": FORMAT, "version": VERSION, **plain(self)}, indent=1) + "\n"


def parse_header(text: bytes, *, capsule: Path) -> Header:
    """Return what ``capsule.json`` says. Raises :class:`PerceusError` when it is none, or one of a later version."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        _refuse(capsule, f"its {HEADER} is not one")
    version = values.pop("version", None)
    if version != VERSION:
        _refuse(capsule, f"it is of version {version!r}, and {VERSION} is known here")
    if not isinstance(values.get("recipe"), dict):
        _refuse(capsule, f"its {HEADER} has no recipe")
    return take_fields(Header, values, what=f"{HEADER} of {str(capsule)!r}")


def _refuse(capsule: Path, reason: str) -> NoReturn:
    raise PerceusError(f"Cannot use {str(capsule)!r} as a capsule: {reason}", hint="Export it again")


def pack_capsule(
    header: Header, manifest: Manifest, *, rootfs: Path, scratch: Path, target: Path, runner: Runner
) -> None:
    """Write a capsule of what the manifest has of a tree; ``scratch`` is a folder for what is not in the tree."""
    (scratch / HEADER).write_text(header.render())
    (scratch / MANIFEST).write_text(manifest.render())
    made = [f"{TREE}/{name}" for name in write_made(scratch / TREE)]
    argv = build_pack_argv(rootfs=rootfs, scratch=scratch, target=target, made=made)
    with naming_the_cause(f"export into {str(target)!r}"):
        MortalRunner(runner)(argv, stdin=name_files(manifest, below=TREE))


def write_made(folder: Path) -> list[str]:
    """Write below a folder what an image has and no tree does, and return the names."""
    machine_id = folder / EMPTY_MACHINE_ID.name
    machine_id.parent.mkdir(parents=True)
    machine_id.touch(mode=EMPTY_MACHINE_ID.mode)
    os.utime(machine_id, (EMPTY_MACHINE_ID.mtime,) * 2)
    return [EMPTY_MACHINE_ID.name]


def name_files(manifest: Manifest, *, below: str = ".") -> bytes:
    """Return the names of a tree's files for tar, each ended by a NUL."""
    names = [f"{below}/{entry.name}".rstrip("/") for entry in manifest.entries if entry.name not in MADE]
    return b"".join(os.fsencode(name) + b"\0" for name in names)


def build_pack_argv(*, rootfs: Path, scratch: Path, target: Path, made: Sequence[str]) -> list[str]:
    """Return the command line that packs the names it reads, and what lies in ``scratch``."""
    return [
        *("tar", "--create", f"--file={target}", "--use-compress-program=zstd -3 -T0", "--sparse", *PACKING),
        *("-C", str(scratch), HEADER, MANIFEST),
        *("-C", str(rootfs.parent), "--null", "--files-from=-"),
        *("-C", str(scratch), *made),
    ]


def find_checksum(capsule: Path) -> str:
    """Return the checksum of a file, once it is on disk."""
    with capsule.open("rb") as stream:
        os.fsync(stream.fileno())
        return f"sha256:{hash_stream(stream)}"


def check_capsule(archive: Archive, *, room: Room, devices: bool) -> Header:
    """Look at every member and return the header; nothing is unpacked.

    Raises :class:`PerceusError` when there is no room for it, and for the first member that is hostile, no part of a
    capsule, or more than the header says.
    """
    members = archive.members(devices=devices)
    header = parse_header(_next(archive, members, HEADER, LARGEST_HEADER).read(), capsule=archive.file)
    if header.files > room.files or header.bytes > room.bytes:
        raise PerceusError(
            f"Cannot unpack {str(archive.file)!r}: it holds {header.bytes} bytes in {header.files} files, "
            f"and there is room for {room.bytes} bytes and {room.files} files",
            hint="Make room on the store's file system",
        )
    if hash_stream(_next(archive, members, MANIFEST, LARGEST_MANIFEST)) != header.manifest:
        _refuse(archive.file, f"its {MANIFEST} is not the one of its {HEADER}")
    declared = Room(header.files, header.bytes, "its header says")
    size = 0
    for count, member in enumerate(members, 1):
        if member.name.partition("/")[0] != TREE or (member.name == TREE and not member.is_folder):
            archive.refuse(member.name, "is no part of a capsule")
        size += member.size
        declared.admit(archive, member.name, files=count, size=size)
    return header


def _next(archive: Archive, members: Iterator[Member], name: str, largest: int) -> IO[bytes]:
    """Return the content of the next member, which must be this one."""
    member = next(members, None)
    if member is None or member.name != name or member.content is None:
        _refuse(archive.file, f"{name!r} is not where it should be")
    Room(1, largest, f"{name} may have").admit(archive, name, files=1, size=member.size)
    return member.content


def unpack_capsule(archive: Archive, target: Path, *, phases: Phases) -> None:
    """Unpack a checked capsule into an empty folder, and compare the tree with the manifest, file by file."""
    with phases.measured("unpack", sample=growth_on(target)):
        archive.unpack(target)
    with phases.measured("verify"):
        found = walk_tree(target / TREE)
        different = differing_name((target / MANIFEST).read_text(), found.render())
    if different is not None:
        raise PerceusError(
            f"Cannot use {str(archive.file)!r}: {different!r} is not what its manifest says",
            hint="Export it again, and unpack it where the file system keeps all attributes",
            member=different,
        )


def differing_name(wanted: str, found: str) -> str | None:
    """Return the first name in which two manifests differ, None when they are the same."""
    if wanted == found:
        return None
    lines, others = ([line.rstrip(",") for line in text.splitlines()] for text in (wanted, found))
    different = set(lines) ^ set(others)
    names = (_name_in(line) for line in (*lines, *others) if line in different)
    return next((name for name in names if name not in (None, *MADE)), MANIFEST)


def _name_in(line: str) -> str | None:
    try:
        return str(json.loads(line)["name"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
