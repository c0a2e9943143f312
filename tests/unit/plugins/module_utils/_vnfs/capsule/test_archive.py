# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule import archive
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.archive import (
    Archive,
    Room,
    build_unpack_argv,
    free_room,
    open_archive,
)

ROOM = Room(files=100, bytes=1_000_000)


def write(file: Path, *members: dict[str, Any], content: bytes = b"") -> Path:
    """Make an archive of these members, each with the attributes of a TarInfo."""
    with tarfile.open(file, "w") as tar:
        for fields in members:
            info = tarfile.TarInfo()
            for name, value in fields.items():
                setattr(info, name, value)
            tar.addfile(info, io.BytesIO(content[: info.size].ljust(info.size, b"\0")))
    return file


def folder(name: str) -> dict[str, Any]:
    return {"name": name, "type": tarfile.DIRTYPE}


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> dict[str, Any]:
    return {"name": name, "type": kind, "linkname": target}


def check(file: Path, **options: bool) -> None:
    with open_archive(file) as opened:
        opened.check(ROOM, **options)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([{"name": "../x"}], r"'\.\./x' leads out of the folder"),
        ([{"name": "a/../../x"}], r"'a/\.\./\.\./x' leads out"),
        ([{"name": "/etc/passwd"}], "'/etc/passwd' leads out"),
        ([link("a", "/etc"), {"name": "a/passwd"}], "'a/passwd' is below 'a', which is no folder"),
        ([{"name": "a"}, {"name": "a/b/c"}], "'a/b/c' is below 'a', which is no folder"),
        ([{"name": "a/b"}, link("./a", "/etc")], r"'\./a' is there twice"),
        ([folder("a"), link("a", "/etc")], "'a' is there twice"),
        ([{"name": "a"}, {"name": "./a"}], r"'\./a' is there twice"),
        ([link("a", "/etc/shadow", tarfile.LNKTYPE)], "'a' links to '/etc/shadow'"),
        ([link("a", "../x", tarfile.LNKTYPE)], r"'a' links to '\.\./x'"),
        ([link("a", "b", tarfile.LNKTYPE)], "'a' is a hard link to 'b', which is no file before it"),
        ([folder("b"), link("a", "b", tarfile.LNKTYPE)], "'a' is a hard link to 'b'"),
        ([{"name": "null", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}], "'null' is a device"),
        ([{"name": "disk", "type": tarfile.BLKTYPE, "devmajor": 8}], "'disk' is a device"),
        (
            [{"name": "acl", "pax_headers": {"SCHILY.acl.access": "user:daemon:r--"}}],
            "'acl' has an access control list",
        ),
        ([{"name": "odd", "type": b"Z"}], "'odd' is of the unknown kind"),
        ([{"name": "big", "size": 1_000_001}], "'big' makes it 1000001 bytes, and there is room for 1000000"),
        ([{"name": str(number)} for number in range(101)], "'100' makes it 101 files, and there is room for 100"),
    ],
)
def test_a_hostile_member_is_refused_by_name(tmp_path: Path, members: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(PerceusError, match=f"its member {reason}"):
        check(write(tmp_path / "x.tar", *members))


def test_what_a_tree_may_hold_is_admitted(tmp_path: Path) -> None:
    file = write(
        tmp_path / "x.tar",
        *(folder("."), folder("./a"), {"name": "./a/b", "size": 3}, link("./c", "/etc/shadow")),
        *(link("./d", "./a/b", tarfile.LNKTYPE), link("./e", "c", tarfile.LNKTYPE)),
        *({"name": "./fifo", "type": tarfile.FIFOTYPE}, {"name": "implied/folder/x"}, folder("implied")),
        {"name": "./null", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        content=b"abc",
    )
    check(file, devices=True)
    with open_archive(file) as opened:
        read = {member.name: member.content.read() for member in opened.members(devices=True) if member.content}
    assert read == {"a/b": b"abc", "implied/folder/x": b""}


@pytest.fixture(params=["plain", "gzip", "xz", "zstd"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An archive of two files that says by its name nothing of how it is compressed."""
    file = write(tmp_path / "x", {"name": "first", "size": 70_000}, {"name": "second", "size": 500}, content=b"x")
    if request.param != "plain":
        done = subprocess.run([request.param, "--stdout", "--", file], check=True, stdout=subprocess.PIPE)
        file.write_bytes(done.stdout)
    return file


def test_the_content_says_how_it_is_compressed(packed: Path) -> None:
    with open_archive(packed) as opened:
        assert [member.name for member in opened.members()] == ["first", "second"]
        assert opened.position() == opened.size
        assert [member.name for member in opened.members()] == ["first", "second"]


@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.75, 0.85])
def test_one_that_is_cut_short_is_refused(packed: Path, part: float) -> None:
    data = packed.read_bytes()
    packed.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(PerceusError, match="it is no tar archive, or damaged"):
        check(packed)


def test_a_plain_one_without_an_end_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "x.tar", {"name": "first"}, {"name": "second"})
    file.write_bytes(file.read_bytes()[:1024])
    with pytest.raises(PerceusError, match="damaged, after its member 'second': its end is missing"):
        check(file)


def test_a_header_with_a_flipped_bit_is_not_taken_for_the_end(tmp_path: Path) -> None:
    file = write(tmp_path / "x.tar", {"name": "first"}, {"name": "second"})
    data = bytearray(file.read_bytes())
    data[512 + 3] ^= 1
    file.write_bytes(data)
    with pytest.raises(PerceusError, match="damaged, after its member 'first': bad checksum"):
        check(file)


@pytest.mark.parametrize("packed", ["gzip", "xz", "zstd"], indirect=True)
def test_a_flipped_bit_is_found(packed: Path) -> None:
    whole = packed.read_bytes()
    for byte in range(12, len(whole), 7):
        packed.write_bytes(whole[:byte] + bytes([whole[byte] ^ 4]) + whole[byte + 1 :])
        with pytest.raises(PerceusError, match="Cannot unpack"):
            check(packed)


@pytest.mark.parametrize(
    "content", [b"\0", b"words\n" * 1000, b"PK\x03\x04" + bytes(600), b"\x28\xb5\x2f\xfd nonsense"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)
    with pytest.raises(PerceusError, match="it is no tar archive, or damaged, from its beginning"):
        check(file)


def test_an_empty_file_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, reason in (("empty", "it is empty"), (".", "no such file"), ("gone", "no such file")):
        with pytest.raises(PerceusError, match=f"Cannot open archive .*: .*{reason}"), open_archive(tmp_path / name):
            pass


def test_a_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A gigabyte in a kilobyte, of which only the header is there to be read."""
    info = tarfile.TarInfo("bomb")
    info.size = 2**30
    (tmp_path / "x").write_bytes(info.tobuf())
    with pytest.raises(PerceusError, match="'bomb' makes it 1073741824 bytes, and there is room for 1000000"):
        check(tmp_path / "x")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes) -> None:
    monkeypatch.setattr(archive, "HEADERS", 100_000)
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, 2**30
    (tmp_path / "x").write_bytes(info.tobuf() + b"x" * 200_000)
    with pytest.raises(PerceusError, match="more than 100000 bytes of headers"):
        check(tmp_path / "x")


def test_what_reads_only_the_beginning_leaves_no_program(packed: Path) -> None:
    with open_archive(packed) as opened:
        members: Iterator[Any] = opened.members()
        assert next(members).name == "first"
        members.close()  # type: ignore[attr-defined]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_free_room_is_what_the_file_system_has(tmp_path: Path) -> None:
    room = free_room(tmp_path)
    assert room.files > 0
    assert room.bytes > 0


def test_what_was_checked_is_unpacked_whatever_its_name_comes_to_stand_for(tmp_path: Path) -> None:
    for name in ("checked", "other"):
        (tmp_path / name).write_text(name)
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            tar.add(tmp_path / name, name)
    (tmp_path / "kept.tar").hardlink_to(tmp_path / "checked.tar")
    (tmp_path / "tree").mkdir()
    with open_archive(tmp_path / "checked.tar") as archive:
        before = archive.checksum()
        (tmp_path / "other.tar").rename(tmp_path / "checked.tar")
        archive.check(free_room(tmp_path))
        archive.unpack(tmp_path / "tree")
        assert archive.checksum() == before
    assert os.listdir(tmp_path / "tree") == ["checked"]


def test_tar_sees_nothing_of_the_host_but_itself() -> None:
    with open("/dev/null", "rb") as stream:
        argv = build_unpack_argv(Archive(Path("/srv/x"), stream, ("xz", "-x")), Path("/new"))
    split = argv.index("--", argv.index("--die-with-parent"))
    writable = [argv[index + 1] for index, word in enumerate(argv[:split]) if word in ("--bind", "--dev-bind")]
    assert writable == ["/new"]
    assert argv[split + 1] == "tar"
    assert "--use-compress-program=xz -x" in argv
