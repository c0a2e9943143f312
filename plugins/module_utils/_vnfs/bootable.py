# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree must have so that nodes boot from it: a kernel, and the programs of their first minute."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from .._errors import PerceusError

# By the package that has it in every family
PROGRAMS = {"systemd": "systemctl", "dracut": "dracut", "openssh-server": "sshd", "curl": "curl", "zstd": "zstd"}

_FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin")
_RELEASE = "([A-Za-z0-9][A-Za-z0-9.+~_-]*)"
_KERNEL = re.compile(
    f"boot/vmlinuz-{_RELEASE}|usr/lib/modules/{_RELEASE}/vmlinuz"
)  # Debian's, and where others have it


def find_kernels(names: Iterable[str]) -> dict[str, str]:
    """Return the kernels among the files of a tree: their releases and names."""
    return {match[1] or match[2]: match[0] for match in map(_KERNEL.fullmatch, names) if match}


def find_kernel_release(names: Iterable[str], *, wanted: str = "") -> str:
    """Return the release of the kernel that is wanted, or of the newest, among the files of a tree."""
    releases = find_kernels(names)
    if not releases:
        raise PerceusError(
            "Cannot publish without a kernel: the tree has no /boot/vmlinuz-* and no /usr/lib/modules/*/vmlinuz",
            hint="Install one",
        )
    if wanted:
        if wanted not in releases:
            raise PerceusError(
                f"Cannot publish kernel {wanted!r}: the tree has {', '.join(sorted(releases))}",
                hint="Set the option kernel to one of these, or to nothing for the newest",
            )
        return wanted
    return max(
        releases,
        key=lambda release: [
            (part.isdigit(), int(part) if part.isdigit() else part) for part in re.findall(r"\d+|\D+", release)
        ],
    )


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
