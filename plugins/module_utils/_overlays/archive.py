# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of what nodes get: static files for the web server, one for each distinct content.

SHA256.tar.zst   an archive, by the SHA-256 that nodes verify
.DIGEST          a link to the archive of the content with that digest, so that what is there is not packed again
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

from .._errors import PerceusError
from .._files import write_atomically
from .._process import output_of
from .compose import NodeFile

SUFFIX = ".tar.zst"
KEPT = 3600  # seconds for which an archive stays that no boot script names any more: a node may be booting by one
MARKED = 600  # seconds; an archive's time is not older while boot scripts name it


def provide_archive(folder: Path, files: Iterable[NodeFile]) -> str:
    """Return the SHA-256, in hex, of the archive of these files, which is in ``folder`` then."""
    files = tuple(files)
    known = folder / f".{digest(files)}"
    try:
        archive = folder / os.readlink(known)
        if archive.exists():
            return archive.name.removesuffix(SUFFIX)
    except OSError:
        pass  # unknown, or no link
    packed = compress(pack(files))
    sha256 = hashlib.sha256(packed).hexdigest()
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        write_atomically(folder / f"{sha256}{SUFFIX}", packed)
        known.unlink(missing_ok=True)
        known.symlink_to(f"{sha256}{SUFFIX}")
    except OSError as error:
        raise PerceusError(f"Cannot keep the archive {error.filename!r}: {error.strerror}") from error
    return sha256


def discard_unused(folder: Path, used: Collection[str], *, now: float) -> list[str]:
    """Remove the archives that no boot script has named for an hour, ``used`` being those that one names at ``now``.

    Return their SHA-256. The caller is the only one who keeps the folder. Raises :class:`PerceusError`.
    """
    gone = []
    try:
        names = sorted(os.listdir(folder)) if folder.exists() else []
        for name in names:
            path, sha256 = folder / name, name.removesuffix(SUFFIX)
            age = now - path.lstat().st_mtime
            if sha256 in used:
                if age > MARKED:
                    os.utime(path, (now, now))
            elif name.endswith(SUFFIX) and not name.startswith(".") and age > KEPT:
                path.unlink()
                gone.append(sha256)
        for hidden in folder.glob(".*"):
            if not (hidden.is_symlink() and hidden.exists()):  # of an archive that is gone, or a writer that was killed
                hidden.unlink()
    except OSError as error:
        raise PerceusError(f"Cannot tidy {error.filename!r}: {error.strerror}") from error
    return gone


def digest(files: Iterable[NodeFile]) -> str:
    """Return the digest, in hex, of what makes an archive of these files."""
    result = hashlib.sha256()
    for file in files:
        facts = (file.name, f"{file.mode:o}", file.target, str(len(file.content)))
        result.update("\0".join(facts).encode(errors="surrogateescape") + b"\0" + file.content)
    return result.hexdigest()


def pack(files: Iterable[NodeFile]) -> bytes:
    """Return a tar archive of the files in their order, root's all, without anything that varies.

    It has no folders: those that are there stay as they are, others are made like any.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        for file in files:
            member = tarfile.TarInfo(file.name)
            member.mode, member.size = file.mode, len(file.content)
            if file.target:
                member.type, member.linkname = tarfile.SYMTYPE, file.target
            archive.addfile(member, io.BytesIO(file.content))
    return stream.getvalue()


def compress(archive: bytes) -> bytes:
    """Return the archive as zstd(1) packs it, which gives the same bytes for the same."""
    with tempfile.TemporaryFile() as stream:
        stream.write(archive)
        stream.seek(0)
        with output_of(["zstd", "-9", "--quiet", "--stdout", "--single-thread"], stdin=stream) as output:
            return output.read()
