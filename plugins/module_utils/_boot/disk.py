# SPDX-License-Identifier: GPL-3.0-or-later
"""How a node is installed on its disk: the option ``disk`` of a VNFS in root mode ``disk``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import PerceusError
from .._vnfs.recipe.fields import take_fields

ANY = "any"  # the only disk, whichever it is
FILESYSTEMS = ("ext4", "xfs")
SMALLEST = 16  # MiB of a partition

_CONDITION = re.compile(r"/dev/[A-Za-z0-9/:@.+_-]+|serial=[A-Za-z0-9:.+_-]+|size=(\d{1,6})-(\d{1,6})|any", re.ASCII)
_MOUNT = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+", re.ASCII)
_TAKEN = re.compile(r"/(?:bin|boot|dev|etc|lib\w*|proc|root|run|sbin|sys|usr|var)(?:/.*)?")


@dataclass(frozen=True)
class Disk:
    """``disks`` are selectors, each of which must mean one disk: conditions with commas between them, ``/dev/…`` for a
    name, ``serial=…``, ``size=MIN-MAX`` in GiB; two make a RAID 1. ``swap`` and ``root`` are in MiB: without ``swap``
    there is none, without ``root`` it is as large as it can be. ``data`` is where the rest is mounted.
    """

    disks: tuple[str, ...] = (ANY,)
    filesystem: str = "ext4"
    swap: int = 0
    root: int = 0
    data: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.disks) <= 2:
            raise PerceusError(f"Cannot install on {len(self.disks)} disks: name one, or two for a RAID 1")
        for selector in self.disks:
            _check_selector(selector)
        if self.filesystem not in FILESYSTEMS:
            raise PerceusError(f"Cannot install on {self.filesystem!r}: use one of {', '.join(FILESYSTEMS)}")
        for name, size in (("swap", self.swap), ("root", self.root)):
            if size and size < SMALLEST:
                raise PerceusError(f"Cannot make {name} of {size} MiB: less than {SMALLEST}")
        if self.data and not self.root:
            raise PerceusError("Cannot make a data partition beside a root that takes all: say the size of root")
        if self.data and (not _MOUNT.fullmatch(self.data) or _TAKEN.fullmatch(self.data)):
            raise PerceusError(f"Cannot mount the data partition on {self.data!r}", hint="Use a folder such as /srv")

    @property
    def kernel_args(self) -> tuple[str, ...]:
        """What the first stage is told, see ``91perceus-disk``."""
        layout = f"{self.filesystem}:{self.swap or ''}:{self.root or ''}:{self.data}"
        return (*(f"perceus.disk={selector}" for selector in self.disks), f"perceus.layout={layout}")


def _check_selector(selector: str) -> None:
    for condition in selector.split(","):
        match = _CONDITION.fullmatch(condition)
        if match is None or "/../" in condition:
            raise PerceusError(
                f"Cannot choose a disk by {selector!r}",
                hint="Write /dev/disk/by-id/NAME, serial=SERIAL, size=MIN-MAX in GiB, or several with commas between",
            )
        if match[1] and int(match[1]) > int(match[2]):
            raise PerceusError(f"Cannot choose a disk by {selector!r}: none has such a size")


def parse_disk(*layers: Mapping[str, Any]) -> Disk:
    """Make a disk of options, of which later ``layers`` win; raises :class:`PerceusError` for those that make none."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(layer)
    return take_fields(Disk, merged, what="the option disk")
