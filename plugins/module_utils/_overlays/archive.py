# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of what nodes get: static files for the web server, one for each distinct content.

SHA256.tar.zst   an archive, by the SHA-256 that nodes verify
.DIGEST          a link to SHA256:SIZE, the archive of the content with that digest, so that what is there is not packed
                 again; a power cut may have left less of it
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from .._errors import PerceusError
from .._process import CommandRunner
from .compose import REMEMBERED, NodeFile

SUFFIX = ".tar.zst"
KEPT = 3600  # seconds for which an archive stays that no boot script names any more: a node may be booting by one
MARKED = 600  # seconds; an archive's time is not older while boot scripts name it
AT_ONCE = 500  # archives that one zstd packs


def find_archive(folder: Path, digest: str) -> str | None:
    """Return the SHA-256, in hex, of the archive of the content with this digest, None when there is none."""
    try:
        sha256, size = os.readlink(folder / f".{digest}").split(":")
        return sha256 if (folder / f"{sha256}{SUFFIX}").stat().st_size == int(size) else None
    except (OSError, ValueError):
        return None


def make_archives(folder: Path, contents: Mapping[str, Iterable[NodeFile]]) -> dict[str, str]:
    """Make the archives of ``contents``, files by their digest; return their SHA-256, in hex, by digest.

    The caller is the only one who keeps the folder. Raises :class:`PerceusError` when they cannot be made.
    """
    made = {}
    digests = list(contents)
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        for first in range(0, len(digests), AT_ONCE):
            with tempfile.TemporaryDirectory(prefix=".making.", dir=folder) as beside:
                batch = [Path(beside, f"{digest}.tar") for digest in digests[first : first + AT_ONCE]]
                for tar in batch:
                    tar.write_bytes(pack(contents[tar.stem]))
                CommandRunner()(["zstd", "-9", "--quiet", "--single-thread", "--rm", "--", *map(str, batch)])
                made.update({tar.stem: _keep(folder, tar.with_suffix(SUFFIX), tar.stem) for tar in batch})
    except OSError as error:
        raise PerceusError(f"Cannot keep archive {error.filename!r}: {error.strerror}") from error
    return made


def _keep(folder: Path, packed: Path, digest: str) -> str:
    content = packed.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    packed.chmod(0o644)
    packed.replace(folder / f"{sha256}{SUFFIX}")
    link = folder / f".{digest}"
    link.unlink(missing_ok=True)
    link.symlink_to(f"{sha256}:{len(content)}")
    return sha256


def discard_unused(folder: Path, used: Collection[str], *, now: float) -> list[str]:
    """Remove the archives that no boot script has named for an hour, ``used`` being those that one names at ``now``.

    Return their SHA-256. The caller is the only one who keeps the folder. Raises :class:`PerceusError`.
    """
    gone = []
    try:
        for archive in sorted(folder.glob(f"[!.]*{SUFFIX}")):
            sha256, age = archive.name.removesuffix(SUFFIX), now - archive.stat().st_mtime
            if sha256 in used and age > MARKED:
                os.utime(archive, (now, now))
            elif sha256 not in used and age > KEPT:
                archive.unlink()
                gone.append(sha256)
        for hidden in folder.glob(".*"):
            if hidden.is_dir() and not hidden.is_symlink():  # of a run that was killed
                shutil.rmtree(hidden)
            elif not find_archive(folder, hidden.name[1:]):
                hidden.unlink()
    except OSError as error:
        raise PerceusError(f"Cannot tidy {error.filename!r}: {error.strerror}") from error
    return gone


def digest_files(files: Iterable[NodeFile]) -> str:
    """Return the digest, in hex, of what makes an archive of these files."""
    return hashlib.sha256(b"".join(map(_digest, files))).hexdigest()


@lru_cache(maxsize=REMEMBERED)
def _digest(file: NodeFile) -> bytes:
    facts = "\0".join((file.name, f"{file.mode:o}", file.target, ""))
    return hashlib.sha256(facts.encode(errors="surrogateescape") + file.content).digest()


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
