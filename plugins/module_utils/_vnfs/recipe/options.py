# SPDX-License-Identifier: GPL-3.0-or-later
"""How the image of a VNFS is made, booted and kept: the part ``options`` of ``vnfs.yml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..._boot.disk import parse_disk
from ..._boot.images import ROOT_MODES
from ..._boot.overrides import parse_overrides
from ..._errors import PerceusError
from ..._names import parse_kernel_args
from ..image.patterns import compile_patterns

MAKING = "perceus-image 1"  # part of each generation's id: raise it when the same tree gives another image
COMPRESSION_LEVELS = {"fast": 3, "small": 19}  # zstd's

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*", re.ASCII)


@dataclass(frozen=True)
class Options:
    """``kernel`` is the release to boot, empty for the newest in the tree; ``kernel_args`` are those of every node that
    boots the image; ``signing_key`` is the file of the private key that signs it, empty for none; ``keep`` is how many
    generations stay, the served one always among them; ``disk`` are options of
    :class:`.._boot.disk.Disk`; ``overrides`` are other options for groups and nodes.
    """

    kernel: str = ""
    kernel_args: str = ""
    compression: str = "fast"
    root_mode: str = "overlay"
    hybridize: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    livesync_skip: tuple[str, ...] = ()
    allow_secrets: tuple[str, ...] = ()
    signing_key: str = ""
    keep: int = 3
    disk: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parse_kernel_args(self.kernel_args)
        if self.kernel and not _RELEASE.fullmatch(self.kernel):
            raise PerceusError(f"Cannot use {self.kernel!r} as kernel: not in the form of a release")
        if self.compression not in COMPRESSION_LEVELS:
            raise PerceusError(f"Cannot compress an image {self.compression!r}: use one of 'fast' and 'small'")
        if self.root_mode not in ROOT_MODES:
            raise PerceusError(f"Cannot boot in root mode {self.root_mode!r}: use one of {', '.join(ROOT_MODES)}")
        if self.hybridize and self.root_mode != "overlay":
            raise PerceusError(
                f"Cannot hybridize in root mode {self.root_mode!r}: that has no layers to put together",
                hint="Use root mode 'overlay'",
            )
        for patterns in (self.hybridize, self.exclude, self.livesync_skip, self.allow_secrets):
            compile_patterns(patterns)
        parse_disk(self.disk)
        parse_overrides(self.overrides)
        if self.signing_key and not self.signing_key.startswith("/"):
            raise PerceusError(f"Cannot sign images by {self.signing_key!r}: not an absolute path")
        if self.signing_key and self.root_mode == "nfs":
            raise PerceusError("Cannot sign images that nodes read over NFS: they never see all of it")
        if self.keep < 1:
            raise PerceusError("Cannot keep fewer generations than the one that is served")

    @property
    def compression_level(self) -> int:
        """zstd's."""
        return COMPRESSION_LEVELS[self.compression]

    @property
    def dracut_modules(self) -> tuple[str, ...]:
        """What of ours makes the first stage."""
        mode = "nfs" if self.hybridize else self.root_mode
        return ("perceus", *([f"perceus-{mode}"] if mode != "overlay" else []))

    @property
    def shaping(self) -> tuple[str, ...]:
        """What of the options, beside what they do to the tree, is part of a generation's id."""
        installing = parse_disk(self.disk).kernel_args if self.root_mode == "disk" else ()
        return (MAKING, self.kernel, self.kernel_args, self.compression, self.root_mode, *self.hybridize, *installing)


OPTION_NAMES = tuple(option.name for option in fields(Options))
OVERRIDABLE = ("kernel_args", "livesync_skip", "disk")


def resolve(options: Options, *, group: str | None = None, node: str | None = None) -> dict[str, tuple[Any, str]]:
    """Return what holds for a node of a group, by option: the value and its origin.

    That is ``node``, ``group``, ``vnfs`` or ``default``, the first of these that says something.
    """
    overrides, default = parse_overrides(options.overrides), Options()
    resolved = {}
    for name in OVERRIDABLE:
        own = getattr(options, name)
        origin = "default" if own == getattr(default, name) else "vnfs"
        resolved[name] = overrides.find(name, group=group, node=node) or (own, origin)
    return resolved
