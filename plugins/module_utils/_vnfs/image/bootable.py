# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree must have, beside a kernel, so that nodes come up from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from ..._errors import PerceusError

# By the package that has it in every family
PROGRAMS = {
    "systemd": "systemctl",
    "dracut": "dracut",
    "openssh-server": "sshd",
    "curl": "curl",
    "zstd": "zstd",
    "tar": "tar",
}
# What the first stage of root mode disk takes from the tree, and what makes it boot from the disk
DISK_PROGRAMS = {
    "systemd-repart, or systemd before Debian 13": "systemd-repart",
    "e2fsprogs": "mkfs.ext4",
    "xfsprogs": "mkfs.xfs",
    "dosfstools": "mkfs.vfat",
    "mdadm": "mdadm",
    "grub2-common, with grub-pc-bin for BIOS and grub-efi-amd64-bin for UEFI": "grub-install",
}

RESTORER = "usr/lib/perceus/restore-acls"  # run by the first stage

_FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin")


def require_programs(vnfs: str, names: Collection[str], more: Mapping[str, str] = MappingProxyType({})) -> None:
    """Raise :class:`PerceusError` unless a tree with these files has all that a node needs to come up, and ``more``."""
    programs = {**PROGRAMS, **more}
    missing = [
        package
        for package, program in programs.items()
        if not any(f"{folder}/{program}" in names for folder in _FOLDERS)
    ]
    if missing:
        raise PerceusError(
            f"Cannot publish VNFS {vnfs!r}: its tree has no {', '.join(programs[package] for package in missing)}",
            hint=f"Install what nodes need in it: {', '.join(missing)}",
            missing=missing,
        )
    if RESTORER not in names:
        raise PerceusError(
            f"Cannot publish VNFS {vnfs!r}: its image would have no {'/' + RESTORER!r}",
            hint="Build it again, or do not exclude it",
        )
