# SPDX-License-Identifier: GPL-3.0-or-later
"""The VNFS store: where things lie, who may change them now, and which generation is served.

NAME/vnfs.yml             the recipe
NAME/overrides.json       what of it the boot path reads
NAME/rootfs/              the editable tree
NAME/images/GENERATION/   immutable
NAME/current              -> images/GENERATION, flipped atomically
NAME/deltas/              what makes one generation of another, for nodes
NAME/initramfs/           the last one made, for generations that would get the same
NAME/.seen                what the last walk over the tree found; safe to remove
NAME/.tmp.*  NAME/.old    what is being built or removed, and the tree that is being replaced
.NAME.gone                what is being removed altogether
.NAME.mounted             who works in the tree, and since when
.NAME.lock                the lock, which outlives the folder
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from .._errors import PerceusError
from .._files import locked, sync_folder
from .._names import parse_vnfs_name
from .._signals import stopping_by_error
from .._space import room_in
from .work.sandbox import remove_placeholders

STORE = Path("/var/lib/perceus/vnfs")
PROGRESS = Path("/run/perceus/progress")  # what works in progress are at, for everybody to see
RECIPE_FILES = ("vnfs.yml", "overrides.json")
LOCK_PATIENCE = 10.0  # seconds
UNFINISHED = (".tmp.*", "..seen.*", ".vnfs.yml.*", ".overrides.json.*", "initramfs/.*")  # below a VNFS's folder

_CURRENT = re.compile(r"images/([0-9a-f]{16})", re.ASCII)
_GENERATION = re.compile(r"[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True)
class Vnfs:
    """One VNFS: its folder in the store, whether it exists or not."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def rootfs(self) -> Path:
        return self.folder / "rootfs"

    @property
    def recipe_file(self) -> Path:
        return self.folder / "vnfs.yml"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def deltas(self) -> Path:
        return self.folder / "deltas"

    @property
    def current(self) -> Path:
        return self.folder / "current"

    @property
    def progress(self) -> Path:
        return PROGRESS / f"{self.name}.json"

    @property
    def seen(self) -> Path:
        return self.folder / ".seen"

    @property
    def old(self) -> Path:
        return self.folder / ".old"

    @property
    def gone(self) -> Path:
        return self.folder.parent / f".{self.name}.gone"

    @property
    def mounted(self) -> Path:
        return self.folder.parent / f".{self.name}.mounted"

    @property
    def lock(self) -> Path:
        return self.folder.parent / f".{self.name}.lock"

    @property
    def has_tree(self) -> bool:
        return self.rootfs.is_dir() and not self.rootfs.is_symlink()

    def require_tree(self) -> None:
        """Raise :class:`PerceusError` unless there is a tree to work with."""
        if not self.has_tree:
            raise PerceusError(f"Cannot use VNFS {self.name!r}: it has no rootfs", hint="Build it", vnfs=self.name)


def vnfs_in(store: Path, name: str) -> Vnfs:
    """Return the VNFS of this name; raises :class:`PerceusError` for a name that none may have."""
    return Vnfs(store / parse_vnfs_name(name))


def list_vnfs(store: Path) -> list[Vnfs]:
    """Return every VNFS of the store, by name; none when there is no store."""
    try:
        names = sorted(entry.name for entry in os.scandir(store) if not entry.name.startswith("."))
    except FileNotFoundError:
        return []
    return [Vnfs(store / name) for name in names]


def current_generation(vnfs: Vnfs) -> str | None:
    """Return the generation that is served, None when nothing is published."""
    try:
        match = _CURRENT.fullmatch(os.readlink(vnfs.current))
    except OSError:
        return None
    return match[1] if match else None


def is_generation(name: str) -> bool:
    """Whether this is the form of a generation's id."""
    return _GENERATION.fullmatch(name) is not None


def list_generations(vnfs: Vnfs) -> list[str]:
    """Return the published generations, oldest first by the date that each header gives."""
    try:
        names = [entry.name for entry in os.scandir(vnfs.images) if is_generation(entry.name)]
    except FileNotFoundError:
        return []
    return sorted(names, key=lambda name: (_created(vnfs.images / name), name))


def _created(image: Path) -> str:
    try:
        return str(json.loads((image / "image.json").read_bytes())["created"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@contextlib.contextmanager
def held(vnfs: Vnfs, *, writing: bool = True) -> Iterator[None]:
    """Be the only one who works on this VNFS, and make what is made readable whatever the caller's umask.

    What a killed process left half done is undone first, and what this one leaves at the end, also when a signal stops
    it. Who only looks needs no lock and leaves no lock file behind.
    """
    with stopping_by_error(f"VNFS {vnfs.name!r}"):
        if not writing:
            yield
            return
        with lock_vnfs(vnfs):
            umask = os.umask(0o022)
            try:
                sweep(vnfs)
                yield
            finally:
                sweep(vnfs)
                os.umask(umask)


def lock_vnfs(vnfs: Vnfs) -> AbstractContextManager[None]:
    """Keep all others from changing this VNFS. Raises :class:`PerceusError`, which names who holds the lock."""
    return locked(vnfs.lock, what=f"VNFS {vnfs.name!r}", timeout=LOCK_PATIENCE)


@contextlib.contextmanager
def building(vnfs: Vnfs, verb: str = "build", *, needed: int | None = None) -> Iterator[Path]:
    """Give a new folder on the store's file system, and remove what is left of it afterwards. Needs the lock.

    ``verb`` is for the error when there is no room, ``needed`` how many bytes what is built is about to have.
    """
    with room_in(vnfs.folder, verb=verb, what=f"VNFS {vnfs.name!r}", needed=needed):
        vnfs.folder.mkdir(mode=0o755, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".tmp.", dir=vnfs.folder))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            if folder.exists():
                remove_tree(folder)


def sweep(vnfs: Vnfs) -> None:
    """Undo what a killed process left half done. Under the lock whatever is unfinished is nobody's."""
    if vnfs.old.exists() and not vnfs.rootfs.exists():
        for name in RECIPE_FILES:
            if (vnfs.old / name).exists():
                os.replace(vnfs.old / name, vnfs.folder / name)
        os.rename(vnfs.old / "rootfs", vnfs.rootfs)
    if vnfs.has_tree:
        remove_placeholders(vnfs.rootfs)
    unfinished = (path for pattern in UNFINISHED for path in vnfs.folder.glob(pattern))
    records = (vnfs.progress, vnfs.progress.with_suffix(".new"))
    for path in (vnfs.gone, vnfs.old, *records, *unfinished):
        discard(path)
    with contextlib.suppress(OSError):
        vnfs.folder.rmdir()  # there is nothing in it when a new VNFS was not made


def install_tree(vnfs: Vnfs, built: Path) -> None:
    """Swap in ``built/rootfs`` and the recipe beside it; :func:`sweep` goes back if this is cut short."""
    os.sync()  # or a power cut leaves the new tree without content, and the old one gone
    if vnfs.rootfs.exists():
        vnfs.old.mkdir()
        for name in RECIPE_FILES:
            if (vnfs.folder / name).exists():
                shutil.copy2(vnfs.folder / name, vnfs.old / name)
        os.rename(vnfs.rootfs, vnfs.old / "rootfs")
    for name in RECIPE_FILES:
        if (built / name).exists():
            os.replace(built / name, vnfs.folder / name)
    os.rename(built / "rootfs", vnfs.rootfs)
    sync_folder(vnfs.folder)
    if vnfs.old.exists():
        remove_tree(vnfs.old)


def flip(vnfs: Vnfs, generation: str) -> None:
    """Serve this generation from now on."""
    beside = vnfs.folder / ".tmp.current"
    os.symlink(f"images/{generation}", beside)
    os.replace(beside, vnfs.current)
    sync_folder(vnfs.folder)


def remove_vnfs(vnfs: Vnfs) -> None:
    """Remove tree and images; gone for everybody at once."""
    refuse_mounts(vnfs.folder, "remove")
    os.rename(vnfs.folder, vnfs.gone)
    vnfs.mounted.unlink(missing_ok=True)
    remove_tree(vnfs.gone)


def remove_generation(vnfs: Vnfs, generation: str) -> None:
    """Remove an image that is not served, and the deltas from and to it; gone for everybody at once."""
    leaving = vnfs.folder / f".tmp.{generation}"
    os.rename(vnfs.images / generation, leaving)
    remove_tree(leaving)
    for pattern in (f"{generation}-*", f"*-{generation}.*"):
        for delta in vnfs.deltas.glob(pattern):
            delta.unlink()


def discard(path: Path) -> None:
    """Remove what is there, be it a folder, a file or nothing."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all below it, but nothing that is mounted there: that is refused, by name."""
    refuse_mounts(folder, "remove")
    shutil.rmtree(folder)


def refuse_mounts(folder: Path, verb: str, *, below: bool = False) -> None:
    """Raise :class:`PerceusError` when something is mounted on or below ``folder``, also from the same disk; with
    ``below`` the folder itself may be a mount point.
    """
    point = os.fsencode(folder.resolve())
    with open("/proc/self/mountinfo", "rb") as stream:
        mounts = [mount for mount in mounts_below(stream.read(), point) if not (below and mount == point)]
    if mounts:
        named = ", ".join(repr(os.fsdecode(mount)) for mount in mounts)
        raise PerceusError(f"Cannot {verb} {str(folder)!r}: mounted there is {named}", hint="Unmount it first")


def mounts_below(mountinfo: bytes, folder: bytes) -> list[bytes]:
    """Return the mount points on or below ``folder``. Format: proc_pid_mountinfo(5), fifth field, octal escapes."""
    points = [
        re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), line.split(b" ")[4])
        for line in mountinfo.splitlines()
    ]
    return sorted({point for point in points if point == folder or point.startswith(folder + b"/")})
