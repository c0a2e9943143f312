# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree or a generation of it holds, for whoever compares or describes: files, packages, image."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from ..._boot.images import INITRAMFS, KERNEL, ROOT
from ..._errors import PerceusError
from ..._process import Runner
from ..build.build import load_tree
from ..image.manifest import Manifest, parse_manifest, walk_tree
from ..image.patterns import compile_patterns
from ..recipe.fields import take_fields
from ..recipe.options import Options
from ..store import Vnfs, current_generation, is_generation
from .packages import Installed, load_installed, parse_installed

CURRENT = "current"
TREE = "tree"

T = TypeVar("T")


@dataclass(frozen=True)
class Header:
    """What ``image.json`` says. ``created`` is UTC, ``2030-01-01T00:00:00Z``; ``files`` are names, sizes in bytes and
    SHA-256 of what is served.
    """

    generation: str
    created: str
    kernel_release: str
    kernel_args: str
    root_mode: str
    files: Mapping[str, Mapping[str, Any]]
    tree_size: int
    tree_files: int

    def size_of(self, name: str) -> int:
        """Bytes in one of the files."""
        return int(self.files[name]["size"])


@dataclass(frozen=True)
class Content:
    """``header`` is None for a tree; ``created`` is then the date of its youngest file."""

    vnfs: str
    label: str
    created: str
    manifest: Manifest
    installed: Installed
    header: Header | None


def load_content(vnfs: Vnfs, which: str, *, runner: Runner) -> Content:
    """Return what a generation holds, ``current`` or an id, or the ``tree``. Needs no lock.

    Raises :class:`PerceusError` when there is no such thing, or it cannot be read.
    """
    if which == TREE:
        manifest = walk_tree(vnfs.rootfs, exclude=compile_patterns(load_tree(vnfs).options.exclude))
        installed = load_installed(vnfs.rootfs, runner=runner)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(entry.mtime for entry in manifest.entries)))
        return Content(vnfs.name, TREE, created, manifest, installed, None)
    generation = choose_generation(vnfs, which)
    header = load_header(vnfs, generation)
    return Content(
        vnfs=vnfs.name,
        label=generation,
        created=header.created,
        manifest=load_manifest(vnfs, generation),
        installed=load_packages(vnfs, generation),
        header=header,
    )


def choose_generation(vnfs: Vnfs, which: str) -> str:
    """Return the id of ``current`` or of the generation named; raises :class:`PerceusError` when there is none."""
    if which == CURRENT:
        generation = current_generation(vnfs)
        if generation is None:
            raise PerceusError(
                f"Cannot read VNFS {vnfs.name!r}: nothing is published", hint="Publish it", vnfs=vnfs.name
            )
        return generation
    if not is_generation(which):
        raise PerceusError(f"Cannot read {which!r}: use 'current', 'tree' or the 16 hex digits of a generation")
    return which


def load_header(vnfs: Vnfs, generation: str) -> Header:
    """Return what a generation says of itself."""
    return _load(vnfs, generation, "image.json", _parse_header)


def load_manifest(vnfs: Vnfs, generation: str) -> Manifest:
    """Return what is in a generation."""
    return _load(vnfs, generation, "manifest.json", parse_manifest)


def load_options(vnfs: Vnfs, generation: str) -> Options:
    """Return the options that made a generation."""
    return _load(vnfs, generation, "image.json", _parse_options)


def _parse_options(text: str) -> Options:
    try:
        return take_fields(Options, json.loads(text)["options"], what="the options")
    except (KeyError, TypeError) as error:
        raise ValueError("it does not say its options") from error


def load_packages(vnfs: Vnfs, generation: str) -> Installed:
    """Return the packages that were in the tree when it was published."""
    return _load(vnfs, generation, "packages.json", parse_installed)


def _parse_header(text: str) -> Header:
    document: Any = json.loads(text)
    try:
        said = {field.name: document[field.name] for field in fields(Header)}
        said["files"] = {
            name: {"sha256": str(said["files"][name]["sha256"]), "size": int(said["files"][name]["size"])}
            for name in (KERNEL, INITRAMFS, ROOT)
        }
        return Header(**said)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an image's header: {error}") from error


def _load(vnfs: Vnfs, generation: str, name: str, parse: Callable[[str], T]) -> T:
    try:
        return parse((vnfs.images / generation / name).read_text())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PerceusError(
            f"Cannot read generation {generation!r} of VNFS {vnfs.name!r}: {name}: {reason}",
            hint="Choose one that 'vnfs_info' lists, or publish the tree again",
            vnfs=vnfs.name,
        ) from error
