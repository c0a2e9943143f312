# SPDX-License-Identifier: GPL-3.0-or-later
"""What livesync delivers: the generation of a VNFS that is served now, whole and verified."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .._boot.images import KERNEL, ROOT, Image, load_current_image
from .._errors import PerceusError
from .._process import Runner
from .._vnfs.image.acls import load_acls, restore_acls
from .._vnfs.image.manifest import NO_PATTERNS, hash_stream
from .._vnfs.image.patterns import Patterns, compile_patterns
from .._vnfs.report.content import load_options
from .._vnfs.store import vnfs_in

SENTINEL = "usr/lib/os-release"  # every system has it, os-release(5)


@dataclass(frozen=True)
class Source:
    """A generation. ``kernel`` is the SHA-256 of its kernel; ``folder`` holds its files, and its tree once mounted;
    ``acls`` are the access control lists of that tree, attributes by name and file; ``manifest`` is the text of its
    ``manifest.json``; ``hybridized`` is not in that tree, but over NFS, and stays on the nodes as when they booted.
    """

    vnfs: str
    generation: str
    kernel: str
    folder: Path
    acls: dict[str, dict[str, bytes]]
    manifest: str
    hybridized: Patterns = NO_PATTERNS


def load_source(store: Path, vnfs: str) -> Source:
    """Return the generation that nodes of ``vnfs`` boot now.

    Raises :class:`PerceusError` when nothing was published, or its root file system is not the one that was.
    """
    image = load_current_image(store, vnfs)
    if image is None:
        raise PerceusError(f"Cannot livesync VNFS {vnfs!r}: it has no published image", hint="Publish it", vnfs=vnfs)
    folder = store / vnfs / "images" / image.generation
    _verify(folder / ROOT, image)
    kernel = load_kernel(store, vnfs, image.generation) or ""
    manifest = folder / "manifest.json"
    acls, hybridized = load_acls(manifest), NO_PATTERNS
    if image.hybrid:
        hybridized = compile_patterns(load_options(vnfs_in(store, vnfs), image.generation).hybridize)
        acls = {name: lists for name, lists in acls.items() if not hybridized.match(name, is_folder=False)}
    return Source(vnfs, image.generation, kernel, folder, acls, manifest.read_text(), hybridized)


def load_kernel(store: Path, vnfs: str, generation: str) -> str | None:
    """Return the SHA-256 of a generation's kernel, None when the store does not say."""
    try:
        header = json.loads((store / vnfs / "images" / generation / "image.json").read_bytes())
        return str(header["files"][KERNEL]["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def mount_source(source: Source, runner: Runner) -> None:
    """Mount the root file system over its folder. The caller is in a mount namespace of its own.

    Raises :class:`PerceusError` when what appears is no system: livesync would delete all of a node's.
    """
    options = "loop,ro,nodev,noexec,nosuid"
    runner(["mount", "-t", "squashfs", "-o", options, "--", str(source.folder / ROOT), str(source.folder)])
    if source.acls:
        _overlay(source.folder, runner)
        restore_acls(source.folder, source.acls)
    if not (source.folder / SENTINEL).is_file():
        raise PerceusError(
            f"Cannot livesync VNFS {source.vnfs!r}: generation {source.generation} holds no {SENTINEL}",
            hint="Build and publish the VNFS again",
        )


def _overlay(folder: Path, runner: Runner) -> None:
    """Mount a layer in memory over what is mounted on ``folder``, in the same place."""
    lower = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        runner(["mount", "-t", "tmpfs", "-o", "nodev,noexec,nosuid", "tmpfs", str(folder)])
        for name in ("upper", "work"):
            (folder / name).mkdir()
        layers = f"lowerdir=/proc/{os.getpid()}/fd/{lower},upperdir=upper,workdir=work,index=on"
        mount = ["mount", "-t", "overlay", "-o", f"nodev,noexec,nosuid,{layers}", "overlay", str(folder)]
        runner(mount, cwd=str(folder))
    finally:
        os.close(lower)


def _verify(root: Path, image: Image) -> None:
    try:
        with root.open("rb") as stream:
            found = hash_stream(stream)
    except OSError as error:
        raise PerceusError(f"Cannot read {str(root)!r}: {error.strerror}", hint="Publish the VNFS again") from error
    if found != image.sha256:
        raise PerceusError(
            f"Cannot livesync VNFS {image.vnfs!r}: {str(root)!r} is not what was published",
            hint="Publish the VNFS again",
            wanted=image.sha256,
            found=found,
        )
