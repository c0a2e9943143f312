# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.archive import (
    KEPT,
    MARKED,
    digest_files,
    discard_unused,
    find_archive,
    make_archives,
)
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.compose import NodeFile
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.scopes import Active

ORIGIN = Active("site", "all")
FILES = (
    NodeFile("etc/localtime", 0o777, b"", "/usr/share/zoneinfo/UTC", ORIGIN),
    NodeFile("etc/motd", 0o640, b"hello\n", "", ORIGIN),
)
OTHER = (NodeFile("etc/motd", 0o640, b"other\n", "", ORIGIN),)


def provide_archive(folder: Path, files: tuple[NodeFile, ...]) -> str:
    """Find or make the archive, as the reconciler does."""
    digest = digest_files(files)
    found = find_archive(folder, digest) or make_archives(folder, {digest: files})[digest]
    assert find_archive(folder, digest) == found
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def age(archive: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(archive, (then, then))


def test_an_archive_has_its_checksum_for_a_name_and_holds_files_only(tmp_path: Path) -> None:
    sha256 = provide_archive(tmp_path, FILES)
    archive = tmp_path / f"{sha256}.tar.zst"
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == sha256
    argv = ["tar", "--list", "--verbose", "--numeric-owner", "--utc", "--file", str(archive)]
    listing = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert listing == [
        "lrwxrwxrwx 0/0               0 1970-01-01 00:00 etc/localtime -> /usr/share/zoneinfo/UTC",
        "-rw-r----- 0/0               6 1970-01-01 00:00 etc/motd",
    ]


def test_the_same_content_is_the_same_archive_and_packed_once(tmp_path: Path) -> None:
    sha256 = provide_archive(tmp_path / "a", FILES)
    before = (tmp_path / "a" / f"{sha256}.tar.zst").stat()
    assert provide_archive(tmp_path / "a", FILES) == sha256
    assert (tmp_path / "a" / f"{sha256}.tar.zst").stat() == before
    assert provide_archive(tmp_path / "b", FILES) == sha256


def test_many_are_packed_at_once(tmp_path: Path) -> None:
    contents = [(NodeFile("etc/motd", 0o644, b"%d" % number, "", ORIGIN),) for number in range(1100)]
    made = make_archives(tmp_path, {digest_files(files): files for files in contents})
    assert len(set(made.values())) == 1100
    assert provide_archive(tmp_path / "alone", contents[7]) == made[digest_files(contents[7])]
    assert {name for name in names(tmp_path) if not name.startswith(".")} == {"alone"} | {
        f"{sha256}.tar.zst" for sha256 in made.values()
    }


@pytest.mark.parametrize("lost", ["archive", "link", "content", "end"])
def test_an_archive_that_was_lost_is_made_again(lost: str, tmp_path: Path) -> None:
    sha256 = provide_archive(tmp_path, FILES)
    before = names(tmp_path)
    for path in tmp_path.iterdir():
        if path.is_symlink() != (lost == "link"):
            continue
        if lost in ("content", "end"):
            os.truncate(path, 0 if lost == "content" else path.stat().st_size - 1)
        else:
            path.unlink()
    assert provide_archive(tmp_path, FILES) == sha256
    assert names(tmp_path) == before


def test_an_archive_goes_an_hour_after_the_last_boot_script_that_named_it(tmp_path: Path) -> None:
    old, new = provide_archive(tmp_path, FILES), provide_archive(tmp_path, OTHER)
    now = time.time()
    assert discard_unused(tmp_path, {new}, now=now + KEPT - 10) == []
    age(tmp_path / f"{new}.tar.zst", 2 * KEPT)
    assert discard_unused(tmp_path, {new}, now=now + KEPT + 10) == [old]
    assert [name for name in names(tmp_path) if not name.startswith(".")] == [f"{new}.tar.zst"]
    assert len(names(tmp_path)) == 2


def test_an_archive_that_is_named_stays_young(tmp_path: Path) -> None:
    sha256 = provide_archive(tmp_path, FILES)
    age(tmp_path / f"{sha256}.tar.zst", MARKED + 10)
    now = time.time()
    discard_unused(tmp_path, {sha256}, now=now)
    assert discard_unused(tmp_path, set(), now=now + KEPT - 10) == []
    assert discard_unused(tmp_path, set(), now=now + KEPT + 10) == [sha256]


def test_what_a_killed_writer_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".making.abc").mkdir()
    (tmp_path / ".making.abc" / "x.tar").write_text("half")
    (tmp_path / ".digest").symlink_to("gone.tar.zst")
    assert discard_unused(tmp_path, set(), now=time.time()) == []
    assert names(tmp_path) == set()
    assert discard_unused(tmp_path / "none", set(), now=time.time()) == []
