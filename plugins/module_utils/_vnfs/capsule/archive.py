# SPDX-License-Identifier: GPL-3.0-or-later
"""Tar archives from anywhere: every member is looked at before one is unpacked, and that where nothing is in reach.

An archive is plain or compressed by gzip, xz or zstd, whatever its name says. Python's tarfile reads it and writes
nothing; GNU tar, which keeps capabilities, access control lists and holes, unpacks it in bwrap(1) with one folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from ..._errors import CommandError, PerceusError
from ..._process import output_of
from ..image.manifest import hash_stream

PROGRAMS = {  # by the first bytes of what they made
    b"\x1f\x8b": ("gzip",),
    b"\xfd7zXZ\x00": ("xz", "--memlimit=1GiB"),
    b"\x28\xb5\x2f\xfd": ("zstd",),
}
HEADERS = 4 * 1024 * 1024  # bytes that may stand between the contents of two members
# Access control lists are extended attributes here: as text, with --acls, tar would write names of users.
PRESERVING = ("--xattrs", "--xattrs-include=*", "--numeric-owner")
ACL_AS_TEXT, ACL = "SCHILY.acl.", "SCHILY.xattr.system.posix_acl_"  # pax headers


@dataclass(frozen=True)
class Room:
    """How much may be unpacked: files of whatever kind, and bytes in them, holes included. ``limit`` says why."""

    files: int
    bytes: int
    limit: str = "there is room for"

    def admit(self, archive: Archive, name: str, *, files: int, size: int) -> None:
        """Raise :class:`PerceusError` when an archive has more up to its member ``name``."""
        if files > self.files:
            archive.refuse(name, f"makes it {files} files, and {self.limit} {self.files}")
        if size > self.bytes:
            archive.refuse(name, f"makes it {size} bytes, and {self.limit} {self.bytes}")


@dataclass(frozen=True)
class Member:
    """A member that may be unpacked. ``name`` is relative, without ``.`` and empty for the root; ``size`` in bytes;
    ``content`` is a file's, to be read before the next member is asked for.
    """

    name: str
    size: int
    is_folder: bool
    content: IO[bytes] | None


@dataclass(frozen=True)
class Archive:
    """An open archive, which stays what it is whatever its name comes to stand for. ``program`` is what decompresses
    it, empty for nothing.
    """

    file: Path
    stream: IO[bytes]
    program: tuple[str, ...]

    @property
    def size(self) -> int:
        """In bytes, as it lies there."""
        return os.fstat(self.stream.fileno()).st_size

    def checksum(self) -> str:
        """Return ``sha256:`` and the hex of all its bytes."""
        self.stream.seek(0)
        return f"sha256:{hash_stream(self.stream)}"

    def require_checksum(self, wanted: str | None) -> str:
        """Return the checksum. Raises :class:`PerceusError` when another was wanted."""
        found = self.checksum()
        if wanted not in (None, found):
            raise PerceusError(
                f"Cannot trust {str(self.file)!r}: its checksum is {found}, not {wanted}", hint="Fetch it again"
            )
        return found

    def position(self) -> int:
        """Return how many bytes have been read, also by the program that decompresses them."""
        return os.lseek(self.stream.fileno(), 0, os.SEEK_CUR)

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise the :class:`PerceusError` that names a member."""
        raise PerceusError(
            f"Cannot unpack {str(self.file)!r}: its member {name!r} {reason}", hint="Nothing was unpacked", member=name
        )

    def members(self, *, devices: bool = False) -> Iterator[Member]:
        """Yield every member, in order, once it is known to be harmless where those before it are unpacked.

        Raises :class:`PerceusError` for the first that is not, and when the archive is damaged or cut short. Device
        nodes are refused unless ``devices``.
        """
        self.stream.seek(0)
        meter = _Meter(self)
        judge = _Judge(self, devices)
        try:
            with self._decompressed() as meter.stream:
                with tarfile.open(fileobj=meter, mode="r|", tarinfo=_Header, errors="surrogateescape") as tar:
                    while (info := tar.next()) is not None:
                        meter.last, meter.allowed = info.name, tar.offset + HEADERS
                        tar.members = []  # type: ignore[attr-defined] # it would keep them all
                        name = judge.admit(info)
                        yield Member(name, info.size, info.isdir(), tar.extractfile(info) if info.isreg() else None)
                while meter.read(tarfile.BLOCKSIZE):
                    pass  # to the end, so that the program can say whether it is the end
        except CommandError as error:
            if "rc" not in error.details:
                raise
            meter.complain(error.msg)
        except (tarfile.TarError, ValueError, OverflowError) as error:
            meter.complain(str(error))

    def _decompressed(self) -> contextlib.AbstractContextManager[IO[bytes]]:
        if not self.program:
            return contextlib.nullcontext(self.stream)
        return output_of((*self.program, "--decompress", "--stdout", "--quiet"), stdin=self.stream)

    def check(self, room: Room, *, devices: bool = False) -> None:
        """Look at every member. Raises :class:`PerceusError` for the first that is hostile or too much."""
        size = 0
        for count, member in enumerate(self.members(devices=devices), 1):
            size += member.size
            room.admit(self, member.name, files=count, size=size)

    def unpack(self, target: Path) -> None:
        """Unpack a checked archive into a folder, which is to be empty, with all that tar knows of each file."""
        self.stream.seek(0)
        argv = build_unpack_argv(self, target)
        with naming_the_cause(f"unpack {str(self.file)!r}"), output_of(argv, stdin=self.stream) as nothing:
            nothing.read()


@contextlib.contextmanager
def naming_the_cause(what: str) -> Iterator[None]:
    """Have an error of tar say what could not be done and why: its first line does, its last only that it failed."""
    try:
        yield
    except CommandError as error:
        first = error.details.get("stderr", "").strip().splitlines()[:1]
        raise PerceusError(f"Cannot {what}: {first[0] if first else error.msg}", error.hint, **error.details) from error


@contextlib.contextmanager
def open_archive(file: Path) -> Iterator[Archive]:
    """Open a file and find out how it is compressed. Raises :class:`PerceusError` unless it has any content."""
    if not file.is_file():
        raise PerceusError(f"Cannot open archive {str(file)!r}: there is no such file")
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(file.open("rb", buffering=0))
        except OSError as error:
            raise PerceusError(f"Cannot open archive {str(file)!r}: {error.strerror}") from error
        head = stream.read(max(map(len, PROGRAMS)))
        if not head:
            raise PerceusError(f"Cannot open archive {str(file)!r}: it is empty", hint="Fetch it again")
        programs = [program for magic, program in PROGRAMS.items() if head.startswith(magic)]
        yield Archive(file, stream, programs[0] if programs else ())


def free_room(folder: Path) -> Room:
    """Return how much the file system of a folder takes."""
    status = os.statvfs(folder)
    uncounted = status.f_files == 0  # where files are made as they are needed, as in btrfs
    return Room(files=2**63 if uncounted else status.f_favail, bytes=status.f_bavail * status.f_frsize)


def build_unpack_argv(archive: Archive, target: Path) -> list[str]:
    """Return the command line that unpacks its standard input with no file but tar's own and the target in sight."""
    programs = [word for name in ("bin", "lib", "lib64") for word in ("--symlink", f"usr/{name}", f"/{name}")]
    return [
        *("bwrap", "--ro-bind", "/usr", "/usr", *programs, "--proc", "/proc", "--dev", "/dev"),
        *("--bind", str(target), "/tree"),
        *("--unshare-pid", "--unshare-ipc", "--unshare-net", "--cap-add", "ALL", "--die-with-parent", "--"),
        *("tar", "--extract", "--file=-", "--directory=/tree", "--preserve-permissions", "--same-owner"),
        *PRESERVING,
        *("--delay-directory-restore", "--no-selinux", "--warning=no-timestamp", "--warning=no-unknown-keyword"),
        *((f"--use-compress-program={' '.join(archive.program)}",) if archive.program else ()),
    ]


class _Header(tarfile.TarInfo):
    """A header. One that is damaged, or not there, is an error: tarfile itself takes it for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        if not buf:
            raise tarfile.ReadError("its end is missing")
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.count(0) == len(buf) == tarfile.BLOCKSIZE:
                raise  # the end
            raise tarfile.ReadError(str(error)) from error


class _Meter(io.RawIOBase):
    """What tarfile reads from; it keeps a header from claiming to be gigabytes long, which would be held in memory."""

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self.archive = archive
        self.stream = archive.stream
        self.position = 0
        self.allowed = HEADERS
        self.last = ""

    def read(self, size: int = -1) -> bytes:
        block = self.stream.read(size)
        self.position += len(block)
        if self.position > self.allowed:
            self.complain(f"more than {HEADERS} bytes of headers")
        return block

    def complain(self, reason: str) -> NoReturn:
        """Raise the :class:`PerceusError` that names the last member that was read."""
        where = f"after its member {self.last!r}" if self.last else "from its beginning"
        raise PerceusError(
            f"Cannot unpack {str(self.archive.file)!r}: it is no tar archive, or damaged, {where}: {reason}",
            hint="Fetch it again",
            member=self.last,
        )


class _Judge:
    """Remembers what the members so far would have made, and admits or refuses the next."""

    def __init__(self, archive: Archive, devices: bool) -> None:
        self.archive = archive
        self.devices = devices
        self.made = {"": "implied"}  # "folder", "implied" by a file below it, or "file" of whatever other kind

    def admit(self, info: tarfile.TarInfo) -> str:
        """Return the member's name in its one form."""
        name = self._plain(info, info.name)
        if self.made.get(name, "implied") != "implied" or (name in self.made and not info.isdir()):
            self.archive.refuse(info.name, "is there twice")
        if info.isdev() and not info.isfifo() and not self.devices:
            self.archive.refuse(info.name, "is a device")
        if not (info.isreg() or info.isdir() or info.issym() or info.islnk() or info.isdev()):
            self.archive.refuse(info.name, f"is of the unknown kind {info.type!r}")
        if info.size < 0:
            self.archive.refuse(info.name, f"claims a size of {info.size}")
        if info.islnk() and self.made.get(self._plain(info, info.linkname)) != "file":
            self.archive.refuse(info.name, f"is a hard link to {info.linkname!r}, which is no file before it")
        headers = "\n".join(info.pax_headers)
        if ACL_AS_TEXT in headers and ACL not in headers:
            self.archive.refuse(info.name, "has an access control list as text only; add --xattrs to tar's options")
        self._enter_folders(info, name)
        self.made[name] = "folder" if info.isdir() else "file"
        return name

    def _plain(self, info: tarfile.TarInfo, name: str) -> str:
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or "\0" in name:
            self.archive.refuse(info.name, "leads out of the folder" if name == info.name else f"links to {name!r}")
        return "/".join(part for part in parts if part not in ("", "."))

    def _enter_folders(self, info: tarfile.TarInfo, name: str) -> None:
        """See to it that everything above a member is a folder, and no link."""
        parent = name.rpartition("/")[0]
        while parent not in self.made:
            self.made[parent] = "implied"
            parent = parent.rpartition("/")[0]
        if self.made[parent] == "file":
            self.archive.refuse(info.name, f"is below {parent!r}, which is no folder")
