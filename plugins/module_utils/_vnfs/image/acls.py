# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control lists of an image: squashfs has none, so that the image carries them as a text for setfacl(1).

On the master they are in the manifest, as the extended attributes that they are.
"""

from __future__ import annotations

import json
import os
import re
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from ..._errors import PerceusError
from ..work.sandbox import chase
from .entry import ACCESS, DEFAULT, Entry

ACLS = "usr/lib/perceus/acls"
_LISTS = {ACCESS, DEFAULT}

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


def load_acls(manifest: Path) -> dict[str, dict[str, bytes]]:
    """Return the attributes that are lists, by file, that ``manifest.json`` names; raises :class:`PerceusError`."""
    try:
        entries = json.loads(manifest.read_bytes())["entries"]
        return {
            entry["name"]: lists
            for entry in entries
            if (lists := {key: bytes.fromhex(entry["xattrs"][key]) for key in _LISTS & set(entry.get("xattrs", ()))})
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PerceusError(f"Cannot read {str(manifest)!r}: {error}", hint="Publish the VNFS again") from error


def restore_acls(root: Path, lists: dict[str, dict[str, bytes]]) -> None:
    """Give the files of an overlay over an image their lists. No link is followed, whatever the manifest says.

    overlayfs refuses a list to a file of its lower layer alone: chmod has it copied up.
    """
    for name, attributes in lists.items():
        file = root / name
        if chase(root, name) != f"/{name}":
            raise PerceusError(f"Cannot give {name!r} an access control list: it is not in the image under this name")
        try:
            file.chmod(stat.S_IMODE(file.lstat().st_mode))
            for attribute, value in attributes.items():
                os.setxattr(file, attribute, value)
        except OSError as error:
            raise PerceusError(f"Cannot give {name!r} an access control list: {error.strerror}") from error


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
    return _SPECIAL.sub(lambda match: f"\\{ord(match[0]):03o}", name)
