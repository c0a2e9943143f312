# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of each kind, with everything that a file can have: what must come out of an image as it went in.

Also a program, for where the tests are not: ``python3 zoo.py FOLDER`` describes a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import sys
from pathlib import Path
from typing import Any

OWNER, GROUP = 12345, 54321  # nobody's here: what is set before a chown is gone after it
NAMES = (
    "ü" * 127,
    "l" * 255,
    "schön",
    "latin\udce4",
    "new\nline",
    "back\\slash",
    "\\041",
    "[*]?",
    "#hash",
    " space ",
    "-minus",
)
SPARSE_SIZE = 4 * 1024 * 1024

# capability(7), <linux/capability.h>: revision 2 with the effective bit, CAP_NET_RAW permitted
_CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
# acl(5), <linux/posix_acl_xattr.h>: owner rwx, user 4321 r-x, group r--, group 1234 rwx, mask rwx, others nothing
_NOBODY = 0xFFFFFFFF
_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *line)
    for line in ((1, 7, _NOBODY), (2, 5, 4321), (4, 4, _NOBODY), (8, 7, 1234), (16, 7, _NOBODY), (32, 0, _NOBODY))
)


def plant(folder: Path) -> None:
    """Make the zoo at ``folder``, which must not exist; needs root."""
    folder.mkdir()
    for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("closed", 0), ("twin", 0o6711), ("acl", 0o640)):
        _write(folder / name, mode=mode)
    for name, mode in (("setgid.d", 0o2775), ("sticky.d", 0o1777), ("acl.d", 0o3770), ("closed.d", 0o700)):
        _own(folder / name, mode=mode, make=lambda path: path.mkdir())
    for number, other in enumerate(("closed.d/other", "third")):
        os.link(folder / "twin", folder / other)
        assert (folder / "twin").stat().st_nlink == number + 2
    for name in NAMES:
        _write(folder / name, mode=0o644)
        os.setxattr(folder / name, "system.posix_acl_access", _ACL)
    _write(folder / "capable", mode=0o755)
    os.setxattr(folder / "capable", "security.capability", _CAPABILITY)
    _write(folder / "noted", mode=0o444)
    for path in (folder / "noted", folder / "setgid.d"):
        os.setxattr(path, "trusted.note", b"\0\xff\n")
        os.setxattr(path, "security.note", b"x" * 1000)
    # Not on what has an access control list: that is copied into memory, where kernels before 6.6 keep none of these.
    os.setxattr(folder / "noted", "user.note", b"a note")
    os.setxattr(folder / "noted", "user.empty", b"")
    os.setxattr(folder / "acl", "system.posix_acl_access", _ACL)
    for attribute in ("system.posix_acl_access", "system.posix_acl_default"):
        os.setxattr(folder / "acl.d", attribute, _ACL)
    os.setxattr(folder / "setgid.d", "system.posix_acl_default", _ACL)
    _write(folder / "sparse", mode=0o600)
    os.truncate(folder / "sparse", SPARSE_SIZE)
    for name, kind, numbers in (
        ("null", stat.S_IFCHR, (1, 3)),
        ("disk", stat.S_IFBLK, (259, 1048575)),
        ("fifo", stat.S_IFIFO, (0, 0)),
    ):
        _own(folder / name, mode=0o620, make=lambda path, k=kind, n=numbers: os.mknod(path, k, os.makedev(*n)))
    (folder / "link").symlink_to("/etc/shadow")
    (folder / "dangling").symlink_to("../\n nowhere")
    for path in sorted(folder.rglob("*")):
        os.utime(path, (1, 1_000_000_000 + len(path.name)), follow_symlinks=False)
    os.lchown(folder / "link", OWNER, GROUP)


def describe(folder: Path | str) -> list[dict[str, Any]]:
    """Return everything that can be said of each file below a folder, by name; times are in seconds, not of folders."""
    root = os.fsencode(folder)
    found = [b"."]
    for parent, folders, files in os.walk(root):
        found += [os.path.relpath(os.path.join(parent, name), root) for name in folders + files]
    first_names: dict[int, bytes] = {}
    facts = []
    for name in sorted(found):
        path = os.path.join(root, name)
        status = os.lstat(path)
        is_file = stat.S_ISREG(status.st_mode)
        has_names = status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
        facts.append(
            {
                "name": repr(name),
                "mode": oct(status.st_mode),
                "owner": [status.st_uid, status.st_gid],
                "size": status.st_size if is_file else None,
                "time": None if stat.S_ISDIR(status.st_mode) else int(status.st_mtime),
                "device": status.st_rdev,
                "target": repr(os.readlink(path)) if stat.S_ISLNK(status.st_mode) else None,
                "same": repr(first_names.setdefault(status.st_ino, name)) if has_names else None,
                "sha256": hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest() if is_file else None,
                "attributes": {
                    attribute: os.getxattr(path, attribute, follow_symlinks=False).hex()
                    for attribute in sorted(os.listxattr(path, follow_symlinks=False))
                    if attribute != "security.selinux"
                },
            }
        )
    return facts


def _write(path: Path, *, mode: int) -> None:
    _own(path, mode=mode, make=lambda path: path.write_text(f"content of {path.name!r}\n"))


def _own(path: Path, *, mode: int, make: Any) -> None:
    make(path)
    os.chown(path, OWNER, GROUP)
    path.chmod(mode)


if __name__ == "__main__":
    print(json.dumps(describe(sys.argv[1])))
