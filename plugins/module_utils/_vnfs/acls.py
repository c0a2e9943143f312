# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control lists of an image: squashfs has none, so that the image carries them as a text for setfacl(1)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entry import Entry

ACLS = "usr/lib/perceus/acls"
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"

# <linux/posix_acl_xattr.h>: a version, then tag, permissions and id of each line, little endian
_VERSION, _LINE = struct.Struct("<I"), struct.Struct("<HHI")
_TAGS = {0x01: "user", 0x02: "user", 0x04: "group", 0x08: "group", 0x10: "mask", 0x20: "other"}
_NAMED = (0x02, 0x08)
_FLAGS = ((0o4000, "s"), (0o2000, "s"), (0o1000, "t"))

_SPECIAL = re.compile(r"^[ \t\v\f]|[\\\n\r]")


def render_acls(entries: Iterable[Entry]) -> str:
    """Return what ``setfacl --restore`` gives the files their lists by, with names relative to the root.

    Empty when there are none.
    """
    return "".join(_render(entry) for entry in entries if entry.has_acls)


def _render(entry: Entry) -> str:
    attributes = dict(entry.xattrs)
    access = _lines(attributes[ACCESS]) if ACCESS in attributes else _plain_lines(entry.mode)
    default = [f"default:{line}" for line in _lines(attributes.get(DEFAULT, ""))]
    flags = "".join(letter if entry.mode & bit else "-" for bit, letter in _FLAGS)
    return "\n".join([f"# file: {_escape(entry.name or '.')}", f"# flags: {flags}", *access, *default, "\n"])


def _lines(attribute: str) -> list[str]:
    return [
        f"{_TAGS[tag]}:{number if tag in _NAMED else ''}:{_permissions(bits)}"
        for tag, bits, number in _LINE.iter_unpack(bytes.fromhex(attribute)[_VERSION.size :])
    ]


def _plain_lines(mode: int) -> list[str]:
    return [f"{tag}::{_permissions(mode >> shift)}" for tag, shift in (("user", 6), ("group", 3), ("other", 0))]


def _permissions(bits: int) -> str:
    return "".join(letter if bits & bit else "-" for bit, letter in ((4, "r"), (2, "w"), (1, "x")))


def _escape(name: str) -> str:
    """Return a name as getfacl(1) writes it, on one line; also a leading space, which setfacl would not see."""
    return _SPECIAL.sub(lambda match: "\\\\" if match[0] == "\\" else f"\\{ord(match[0]):03o}", name)
