# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``vnfs_capsule`` and capsules that are hostile, damaged or not what they say: they come to nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import CAPSULES, Master, import_options

Forge = Callable[..., Path]


def state(master: Master) -> dict[str, Any]:
    """All files of the master that an import might touch, and the host's mounts."""
    outside = {
        str(path): (status.st_ino, status.st_ctime_ns)
        for path in master.path("/var/lib/perceus").rglob("*")
        if CAPSULES not in str(path) and not re.fullmatch(r"\..*\.lock", path.name)
        for status in [path.lstat()]
        if not stat.S_ISDIR(status.st_mode)
    }
    return {"files": outside, "mounts": Path(f"/proc/{master.pid}/mountinfo").read_text()}


@pytest.fixture
def forge(zoo: Master, tmp_path: Path) -> Iterator[Forge]:
    """Make a capsule of these members and put it on the master; its own parts are such as to be believed."""
    file = zoo.path(f"{CAPSULES}/forged.vnfs")
    file.parent.mkdir(exist_ok=True)
    zoo.path("/var/lib/perceus/bait").write_text("untouched")

    def make(*members: dict[str, Any], entries: str = "", **header: Any) -> Path:
        parts = {"manifest": hashlib.sha256(entries.encode()).hexdigest(), "files": 10, "bytes": 1000, **header}
        parts = {"format": "perceus-capsule", "version": 1, "vnfs": "x", "generation": "0" * 16, "created": "", **parts}
        parts.setdefault("recipe", {"node_files": "0" * 64})
        texts = {"capsule.json": json.dumps(parts), "manifest.json": entries}
        plain = tmp_path / "forged.tar"
        with tarfile.open(plain, "w") as tar:
            for name, text in texts.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
            for fields in members:
                info = tarfile.TarInfo()
                for name, value in fields.items():
                    setattr(info, name, value)
                tar.addfile(info, io.BytesIO(bytes(info.size)))
        subprocess.run(["zstd", "--quiet", "--force", plain, "-o", file], check=True)
        return file

    yield make
    file.unlink(missing_ok=True)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> dict[str, Any]:
    return {"name": f"rootfs/{name}", "type": kind, "linkname": target}


def refuse(master: Master, **options: Any) -> dict[str, Any]:
    """Import the forged capsule, see that nothing came of it, and return the result."""
    before = state(master)
    options = {"state": "imported", "source": f"{CAPSULES}/forged.vnfs", "unverified": True, "name": "copy", **options}
    result = master.call("vnfs_capsule", **options)
    assert result["failed"]
    assert "Traceback" not in json.dumps(result)
    assert state(master) == before
    assert not master.path("/var/lib/perceus/vnfs/copy").exists()
    return result


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ([{"name": "rootfs/../../../bait"}], "'rootfs/../../../bait' leads out of the folder"),
        ([{"name": "/var/lib/perceus/bait"}], "'/var/lib/perceus/bait' leads out of the folder"),
        ([link("a", "/var/lib/perceus"), {"name": "rootfs/a/bait"}], "'rootfs/a/bait' is below 'rootfs/a'"),
        ([link("a", "/var/lib/perceus/bait", tarfile.LNKTYPE)], "'rootfs/a' links to '/var/lib/perceus/bait'"),
        ([link("a", "rootfs/unknown", tarfile.LNKTYPE)], "'rootfs/a' is a hard link to 'rootfs/unknown'"),
        ([{"name": "rootfs/disk", "type": tarfile.BLKTYPE, "devmajor": 8}], "'rootfs/disk' is a device"),
        ([{"name": "rootfs/a"}, {"name": "rootfs/a"}], "'rootfs/a' is there twice"),
        ([{"name": "other/a"}], "'other/a' is no part of a capsule"),
        ([{"name": "rootfs", "type": tarfile.SYMTYPE, "linkname": "/var/lib"}], "'rootfs' is no part of a capsule"),
        ([{"name": "manifest.json"}], "'manifest.json' is there twice"),
        ([{"name": f"rootfs/{number}"} for number in range(100_000)], "'rootfs/10' makes it 11 files, and its header"),
        (
            [{"name": "rootfs/bomb", "size": 50_000_000}],
            "'rootfs/bomb' makes it 50000000 bytes, and its header says 1000",
        ),
    ],
)
def test_a_hostile_member_is_named_and_nothing_is_unpacked(
    zoo: Master, forge: Forge, members: list[dict[str, Any]], named: str
) -> None:
    forge(*members)
    assert named in refuse(zoo)["msg"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (
            {"bytes": 2**50},
            r"it holds 1125899906842624 bytes in 10 files, and there is room for \d+ bytes and \d+ files",
        ),
        ({"files": 2**50}, r"it holds 1000 bytes in 1125899906842624 files, and there is room for"),
        ({"format": "zip"}, "its capsule.json is not one"),
        ({"version": 2}, "it is of version 2, and 1 is known here"),
        ({"manifest": "0" * 64}, "its manifest.json is not the one of its capsule.json"),
        ({"recipe": {"node_files": "../x"}}, "Cannot use '../x' as node files' digest"),
        ({"recipe": {"includes": 1, "evil": 1}}, "is no part of it"),
    ],
)
def test_a_header_is_not_believed(zoo: Master, forge: Forge, header: dict[str, Any], reason: str) -> None:
    forge({"name": "rootfs", "type": tarfile.DIRTYPE}, **header)
    assert re.search(reason, refuse(zoo)["msg"])


def test_a_file_that_is_not_what_the_manifest_says_is_named(zoo: Master, forge: Forge) -> None:
    wanted = {"name": "file", "kind": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 3}
    entries = json.dumps({"format": "perceus-manifest", "version": 1, "entries": [wanted]})
    forge({"name": "rootfs", "type": tarfile.DIRTYPE}, {"name": "rootfs/file", "size": 3}, entries=entries)
    assert "is not what its manifest says" in refuse(zoo)["msg"]


def damage(file: Path, how: str) -> None:
    whole = file.read_bytes()
    middle = len(whole) // 2
    contents = {
        "cut short": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "empty": b"",
        "no archive": b"words\n" * 1000,
    }
    file.write_bytes(contents[how])


@pytest.mark.parametrize("how", ["cut short", "flipped", "empty", "no archive"])
def test_a_damaged_capsule_is_refused_and_a_whole_one_is_imported_afterwards(
    zoo: Master, exported: dict[str, Any], copy: str, forge: Forge, how: str
) -> None:
    forged = forge()
    forged.write_bytes(zoo.path(exported["capsule"]).read_bytes())
    damage(forged, how)
    assert "Cannot trust" in refuse(zoo, checksum=exported["checksum"])["msg"] or how == "empty"
    assert re.search("damaged|is empty", refuse(zoo)["msg"])
    assert zoo.do("vnfs_capsule", **import_options(exported, name=copy))["action"] == "import"


@pytest.mark.parametrize("what", ["content", "mode", "attribute", "list", "missing", "added"])
def test_a_capsule_that_was_packed_again_with_a_change_is_refused_by_name(
    zoo: Master, exported: dict[str, Any], forge: Forge, tmp_path: Path, what: str
) -> None:
    preserving = ["--xattrs", "--xattrs-include=*", "--numeric-owner"]
    subprocess.run(
        ["tar", "-x", "--zstd", *preserving, "-f", zoo.path(exported["capsule"]), "-C", tmp_path], check=True
    )
    file = tmp_path / "rootfs/srv/zoo/capable"
    if what == "content":
        times = file.stat()
        file.write_bytes(file.read_bytes()[:-1] + b"!")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif what == "mode":
        file.chmod(0o4755)
    elif what == "attribute":
        os.removexattr(file, "security.capability")
    elif what == "list":
        file = file.with_name("old")
        os.removexattr(file, "system.posix_acl_access")
    elif what == "missing":
        file.unlink()
    else:
        file = file.with_name("added")
        file.touch()
        (tmp_path / "rootfs/srv/zoo/half").unlink()  # so that there are no more files than were declared
    subprocess.run(
        ["tar", "-c", "--zstd", *preserving, "-f", forge(), "-C", tmp_path, "capsule.json", "manifest.json", "rootfs"],
        check=True,
    )
    assert refuse(zoo)["member"] in (f"srv/zoo/{file.name}", "srv/zoo/half")
