# SPDX-License-Identifier: GPL-3.0-or-later
"""The published image of a VNFS, as the boot path sees it: the header ``image.json`` of its current generation."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .._errors import PerceusError
from .._names import parse_kernel_args
from .disk import Disk, parse_disk
from .overrides import Overrides, load_overrides

FORMAT = "perceus-image"
VERSION = 1
KERNEL, INITRAMFS, ROOT, HYBRID = "vmlinuz", "initramfs.img", "rootfs.squashfs", "hybrid.squashfs"
ROOT_MODES = ("overlay", "ram", "nfs", "disk")
PAGE = 4096  # bytes; in memory each file takes whole ones, and some of the kernel's
LARGEST_HEADER = 1024 * 1024  # bytes

_TARGET = re.compile(r"images/([0-9a-f]{16})", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Image:
    """What a node must know to boot a generation. ``sha256`` and ``size`` (bytes) are those of the root file system,
    which takes ``unpacked`` bytes of memory where it is unpacked; ``hybrid`` is the size of what leaves it for a second
    image, 0 when there is none; ``disk`` are the options of an installation; ``overrides`` are the VNFS's of now.
    """

    vnfs: str
    generation: str
    kernel_args: str
    sha256: str
    size: int
    root_mode: str = "overlay"
    unpacked: int = 0
    hybrid: int = 0
    disk: Mapping[str, Any] = field(default_factory=dict)
    overrides: Overrides = field(default_factory=Overrides)

    def kernel_args_for(self, *, group: str, node: str) -> tuple[str, str]:
        """Return the kernel arguments of the VNFS for a node, and their origin: ``node``, ``group`` or ``vnfs``."""
        return self.overrides.find("kernel_args", group=group, node=node) or (self.kernel_args, "vnfs")

    @property
    def over_nfs(self) -> tuple[str, ...]:
        """The files that nodes do not fetch but mount."""
        return ((ROOT,) if self.root_mode == "nfs" else ()) + ((HYBRID,) if self.hybrid else ())

    def disk_for(self, *, group: str, node: str) -> Disk:
        """Return how a node is installed; what is said of it, or else of its group, wins option by option."""
        own = self.overrides.find("disk", group=group, node=node)
        return parse_disk(self.disk, own[0] if own else {})

    def folder(self, store: Path) -> Path:
        """Return where the generation's files are."""
        return store / self.vnfs / "images" / self.generation


def unpacked_size(*, files: int, size: int) -> int:
    """Return how much memory a tree takes in a tmpfs at most, in bytes; ``size`` is what is in its files."""
    return size + files * PAGE


def load_current_image(store: Path, vnfs: str) -> Image | None:
    """Return the image to which ``current`` of a VNFS points, None when nothing was published.

    Raises :class:`PerceusError` when what was published cannot be booted.
    """
    folder = store / vnfs
    try:
        target = os.readlink(folder / "current")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _broken(vnfs, f"'current' is no link ({error.strerror})") from error
    match = _TARGET.fullmatch(target)
    if match is None:
        raise _broken(vnfs, f"'current' points to {target!r}")
    return replace(load_image(store, vnfs, match[1]), overrides=load_overrides(folder))


def load_image(store: Path, vnfs: str, generation: str) -> Image:
    """Return the image of a generation; raises :class:`PerceusError` when it cannot be booted."""
    try:
        with (store / vnfs / "images" / generation / "image.json").open("rb") as stream:
            header = stream.read(LARGEST_HEADER)
    except OSError as error:
        raise _broken(vnfs, f"image.json of {generation}: {error.strerror}") from error
    return parse_image(header, vnfs=vnfs, generation=generation)


def load_images(store: Path) -> Iterator[Image]:
    """Yield every image of every VNFS that can be booted."""
    for file in store.glob("*/images/*/image.json"):
        with contextlib.suppress(PerceusError):  # of something else, or just being removed
            yield load_image(store, file.parents[2].name, file.parent.name)


def parse_image(header: str | bytes, *, vnfs: str, generation: str) -> Image:
    """Turn the text of ``image.json`` into an image, if it is the one of this VNFS and generation."""
    try:
        fields: Any = json.loads(header)
        found = {key: fields[key] for key in ("format", "version", "vnfs", "generation")}
        kernel_args, root_mode, root = fields["kernel_args"], fields["root_mode"], fields["files"][ROOT]
        unpacked = unpacked_size(files=int(fields["tree_files"]), size=int(fields["tree_size"]))
        sha256, size = root["sha256"], root["size"]
        hybrid = int(fields["files"][HYBRID]["size"]) if HYBRID in fields["files"] else 0
        disk = fields.get("options", {}).get("disk", {})
        present = {KERNEL, INITRAMFS} <= set(fields["files"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _broken(vnfs, f"image.json of {generation} is not what it should be ({error})") from error
    wanted = {"format": FORMAT, "version": VERSION, "vnfs": vnfs, "generation": generation}
    for key, value in wanted.items():
        if found[key] != value:
            raise _broken(vnfs, f"image.json of {generation} has {key} {found[key]!r}, not {value!r}")
    if not (present and isinstance(kernel_args, str) and isinstance(size, int) and size > 0):
        raise _broken(vnfs, f"image.json of {generation} lacks kernel, initramfs or size")
    if root_mode not in ROOT_MODES:
        raise _broken(vnfs, f"image.json of {generation} has root mode {root_mode!r}, which this master does not know")
    parse_disk(disk)
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise _broken(vnfs, f"image.json of {generation} has no SHA-256 of {ROOT}")
    return Image(vnfs, generation, parse_kernel_args(kernel_args), sha256, size, root_mode, unpacked, hybrid, disk)


def _broken(vnfs: str, why: str) -> PerceusError:
    return PerceusError(f"Cannot boot VNFS {vnfs!r}: {why}", hint="Publish it again", vnfs=vnfs)
