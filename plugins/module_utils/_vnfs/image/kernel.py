# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel of a tree nodes boot."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..._errors import PerceusError

_RELEASE = "([A-Za-z0-9][A-Za-z0-9.+~_-]*)"
_KERNEL = re.compile(rf"boot/vmlinuz-{_RELEASE}|usr/lib/modules/{_RELEASE}/vmlinuz")  # Debian's, and of other families


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
