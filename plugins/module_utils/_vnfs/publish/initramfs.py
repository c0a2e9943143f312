# SPDX-License-Identifier: GPL-3.0-or-later
"""The first stage of a node: made by the tree's own dracut(8), and again only when it would come out otherwise.

NAME/initramfs/initramfs.img  the last one that was made
NAME/initramfs/made.json      its checksum, the files that went into it, and a digest of those and of all that dracut
                              looks at: kernel modules, firmware, its own programs and configuration
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..._boot.images import INITRAMFS
from ..._errors import PerceusError
from ..._files import write_atomically
from ..._process import Runner
from ..image.entry import Entry
from ..image.manifest import hash_stream
from ..recipe.options import Options
from ..store import Vnfs, remove_tree
from ..work.sandbox import Sandbox

INSIDE = "/run/perceus"  # where the folder that is lent is in the sandbox
ARCHIVE = f"{INITRAMFS}.cpio"
SIGNERS = "allowed_signers"
MADE = "made.json"
DRACUT = "usr/bin/dracut"
# Where a file that comes or goes makes another initramfs. Elsewhere only those count that went into the last one.
LOOKED_AT = (
    "etc/dracut.conf",
    "etc/ld.so.conf",
    "etc/modprobe.d/",
    "lib/firmware/",
    "lib/modprobe.d/",
    DRACUT,
    "usr/lib/dracut/",
    "usr/lib/firmware/",
    "usr/lib/modprobe.d/",
)
MODULE_FOLDERS = ("lib/modules", "usr/lib/modules")


@dataclass(frozen=True)
class Made:
    """An initramfs: the SHA-256 of its file, the names in it, and the digest of what it was made from."""

    sha256: str
    names: tuple[str, ...]
    inputs: str


@dataclass(frozen=True)
class Initramfs:
    """What initramfs is wanted: for which kernel, as which options say, from which tree; and whose signature the first
    stage insists on, if there is to be one.
    """

    kernel_release: str
    options: Options
    entries: tuple[Entry, ...]
    signer: str = ""

    def digest(self, names: Iterable[str]) -> str:
        """Return the digest, in hex, of what makes an initramfs that holds files of these names."""
        modules = tuple(f"{folder}/{self.kernel_release}/" for folder in MODULE_FOLDERS)
        inside, digest = frozenset(names), hashlib.sha256(" ".join((*self.build_argv(), self.signer)).encode())
        for entry in self.entries:
            if entry.name in inside or entry.name.startswith((*LOOKED_AT, *modules)):
                facts = (entry.name, entry.kind, f"{entry.mode:o}", entry.sha256, entry.target)
                digest.update(os.fsencode("\0".join(facts)) + b"\n")
        return digest.hexdigest()

    def build_argv(self) -> list[str]:
        """Return the command line, run inside the tree, that makes a node's first stage and nothing more."""
        return [
            *("dracut", "--quiet", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--reproducible"),
            *("--no-early-microcode", "--compress", f"zstd -{self.options.compression_level} -T0"),
            *("--modules", " ".join(("base", *self.options.dracut_modules))),
            *self._signing_argv(),
            *("--tmpdir", "/tmp"),  # noqa: S108 - the sandbox's own
            *("--kver", self.kernel_release, f"{INSIDE}/{INITRAMFS}"),
        ]

    def _signing_argv(self) -> list[str]:
        if not self.signer:
            return []
        return ["--install", "ssh-keygen", "--include", f"{INSIDE}/{SIGNERS}", f"/etc/perceus/{SIGNERS}"]


def provide_initramfs(wanted: Initramfs, vnfs: Vnfs, rootfs: Path, target: Path, *, runner: Runner) -> None:
    """Put the initramfs into the folder ``target``, on the VNFS's file system. Needs the lock.

    Raises :class:`PerceusError` when dracut fails.
    """
    kept = vnfs.folder / "initramfs"
    made = _load_made(kept / MADE)
    if made and made.inputs == wanted.digest(made.names) and made.sha256 == _sha256(kept / INITRAMFS):
        os.link(kept / INITRAMFS, target / INITRAMFS)
        return
    with lent_folder(target) as lent:
        (lent / SIGNERS).write_text(wanted.signer)
        sandbox = Sandbox(rootfs, runner, read_only=True, lent={lent: INSIDE})
        sandbox(wanted.build_argv())
        names = _list_names(sandbox)
        take_file(lent / INITRAMFS, target)
    kept.mkdir(mode=0o755, exist_ok=True)
    beside = kept / f".{INITRAMFS}"
    beside.unlink(missing_ok=True)
    os.link(target / INITRAMFS, beside)
    os.replace(beside, kept / INITRAMFS)
    made = Made(_sha256(target / INITRAMFS), names, wanted.digest(names))
    write_atomically(kept / MADE, json.dumps(asdict(made)))


@contextlib.contextmanager
def lent_folder(target: Path) -> Iterator[Path]:
    """Give a folder below ``target`` that programs of the tree may write to, and remove what they leave there.

    Nothing else of ``target`` is in their reach: what the master writes there itself could be led elsewhere.
    """
    folder = Path(tempfile.mkdtemp(prefix=".tmp.", dir=target))
    try:
        yield folder
    finally:
        remove_tree(folder)


def take_file(file: Path, target: Path) -> None:
    """Move what a program of the tree wrote into a folder, for all to read, if it is a file and no link to another."""
    try:
        regular = stat.S_ISREG(file.lstat().st_mode)
    except FileNotFoundError:
        regular = False
    if not regular:
        raise PerceusError(f"Cannot use {file.name!r}: the tree's program made no file of it", hint="Look at the tree")
    file.chmod(0o644)
    os.rename(file, target / file.name)


def _list_names(sandbox: Sandbox) -> tuple[str, ...]:
    sandbox(("zstd", "--quiet", "--decompress", "-o", f"{INSIDE}/{ARCHIVE}", f"{INSIDE}/{INITRAMFS}"))
    listing = sandbox(("cpio", "--quiet", "--list", "--file", f"{INSIDE}/{ARCHIVE}"))
    return tuple(listing.stdout.splitlines())


def _load_made(file: Path) -> Made | None:
    try:
        fields = json.loads(file.read_bytes())
        return Made(str(fields["sha256"]), tuple(map(str, fields["names"])), str(fields["inputs"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never made, or by another version: it is made again


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hash_stream(stream)
    except FileNotFoundError:
        return ""
