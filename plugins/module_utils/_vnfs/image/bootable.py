# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree must have, beside a kernel, so that nodes come up from it."""

from __future__ import annotations

from collections.abc import Collection

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

RESTORER = "usr/lib/perceus/restore-acls"  # run by the first stage

_FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin")


def require_programs(vnfs: str, names: Collection[str]) -> None:
    """Raise :class:`PerceusError` unless a tree with these files has all that a node needs to come up."""
    missing = [
        package
        for package, program in PROGRAMS.items()
        if not any(f"{folder}/{program}" in names for folder in _FOLDERS)
    ]
    if missing:
        raise PerceusError(
            f"Cannot publish VNFS {vnfs!r}: its tree has no {', '.join(PROGRAMS[package] for package in missing)}",
            hint=f"Install what nodes need in it: {', '.join(missing)}",
            missing=missing,
        )
    if RESTORER not in names:
        raise PerceusError(
            f"Cannot publish VNFS {vnfs!r}: its image would have no {'/' + RESTORER!r}",
            hint="Build it again, or do not exclude it",
        )
