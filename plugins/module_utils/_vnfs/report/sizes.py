# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the image of a VNFS is, what makes it so, and what that asks of a node."""

from __future__ import annotations

import heapq
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..._boot.images import INITRAMFS, ROOT, unpacked_size
from ..._process import Runner
from ..image.entry import Entry, with_folders
from ..image.manifest import Manifest
from ..image.patterns import compile_patterns
from ..publish.hybrid import others
from ..publish.squashfs import pack_squashfs
from ..recipe.options import Options
from .content import Header
from .packages import Installed

MIB = 1024 * 1024  # bytes
HEADROOM = 24 * MIB  # as HEADROOM_KIB of the nodes' first stage, perceus-root
KERNEL = 70 * MIB  # what x86-64 kernels of Debian 12 hold when the first stage looks
INITRAMFS_UNPACKED = 2.5  # beside its compressed size
MEMORY_SIZES = tuple(size * MIB for size in (256, 512, 1024, 2048))
# initrd_addr_max of x86 kernels: https://www.kernel.org/doc/html/latest/arch/x86/boot.html
INITRD_END = 0x7FFFFFFF


@dataclass(frozen=True)
class Usage:
    """``size`` is the bytes in all files at and below ``name``, each counted once; ``files`` their number."""

    name: str
    size: int
    files: int


@dataclass(frozen=True)
class Limit:
    """``value`` and ``limit`` are in bytes; ``meaning`` says what does not work past it."""

    subject: str
    value: int
    limit: int
    meaning: str

    @property
    def crossed(self) -> bool:
        return self.value > self.limit


@dataclass(frozen=True)
class Saving:
    """What leaving out all that ``pattern`` matches would save: ``ram`` bytes of the compressed image on each node."""

    pattern: str
    files: int
    size: int
    ram: int


def memory_floor(header: Header) -> int:
    """Return the least memory, in bytes, with which a node can boot the image: what it holds when its first stage asks
    for what the image takes, and that.
    """
    image = header.size_of(ROOT) if header.root_mode != "nfs" else 0
    unpacked = unpacked_size(files=header.tree_files, size=header.tree_size) if header.root_mode == "ram" else 0
    first_stage = KERNEL + int(header.size_of(INITRAMFS) * INITRAMFS_UNPACKED)
    return first_stage + image + unpacked + HEADROOM


def find_limits(header: Header) -> Iterator[Limit]:
    """Yield the limits that an image may cross."""
    floor = memory_floor(header)
    for size in MEMORY_SIZES:
        yield Limit("memory", floor, size, f"nodes with {size // MIB} MiB of memory cannot boot it")
    yield Limit(INITRAMFS, header.size_of(INITRAMFS), INITRD_END, "x86 kernels take no initramfs that ends above 2 GiB")


def largest_packages(installed: Installed, *, count: int) -> list[Usage]:
    """Return the packages that take most, by their own word."""
    found = (Usage(package.name, package.size, 1) for package in installed.packages)
    return heapq.nlargest(count, found, key=_by_size)


def largest_paths(entries: Iterable[Entry], *, count: int) -> list[Usage]:
    """Return the folders and files that take most, as du(1) counts them; the root itself is not among them."""
    sizes: defaultdict[str, int] = defaultdict(int)
    files: defaultdict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.kind == "file" and not entry.same:
            for name in with_folders(entry.name):
                sizes[name] += entry.size
                files[name] += 1
    return heapq.nlargest(count, (Usage(name, size, files[name]) for name, size in sizes.items()), key=_by_size)


def _by_size(usage: Usage) -> tuple[int, str]:
    return usage.size, usage.name


def measure_savings(rootfs: Path, manifest: Manifest, options: Options, *, runner: Runner) -> Iterator[Saving]:
    """Yield what each pattern of the option ``hybridize`` would save, found by compressing those files by themselves.

    A file counts for the first pattern that matches it.
    """
    patterns = compile_patterns(options.hybridize)
    matched: Mapping[str, list[Entry]] = {pattern: [] for pattern in options.hybridize}
    for entry in manifest.entries:
        pattern = patterns.match(entry.name, is_folder=entry.kind == "folder")
        if pattern is not None:
            matched[pattern].append(entry)
    for pattern, found in matched.items():
        files = [entry for entry in found if entry.kind == "file" and not entry.same]
        ram = _compressed_size(rootfs, manifest, {entry.name for entry in found}, options, runner) if files else 0
        yield Saving(pattern, len(files), sum(entry.size for entry in files), ram)


def _compressed_size(rootfs: Path, manifest: Manifest, names: set[str], options: Options, runner: Runner) -> int:
    """Return the bytes of an image that has nothing but these names and the folders above them."""
    with tempfile.TemporaryDirectory(prefix="perceus-sizes-") as folder:
        packed = Path(folder) / ROOT
        pack_squashfs(
            rootfs,
            packed,
            left_out=[*others(manifest.entries, names), *manifest.left_out],
            level=options.compression_level,
            scratch=Path(folder),
            runner=runner,
        )
        return packed.stat().st_size
