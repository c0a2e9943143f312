# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import parse_manifest, walk_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.secrets import Secret
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("etc/ssh", "usr/bin", "run", "var/log/app"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/machine-id").write_text("0" * 32)
    (tmp_path / "etc/ssh/ssh_host_rsa_key").write_text("secret")
    (tmp_path / "usr/bin/tool").write_text("content")
    os.utime(tmp_path / "usr/bin/tool", (1, 1))
    return tmp_path


def names(tree: Path) -> list[str]:
    return [entry.name for entry in walk_tree(tree).entries]


def test_every_file_of_an_image_is_listed_in_order(tree: Path) -> None:
    assert names(tree) == [
        *("", "etc", "etc/machine-id", "etc/ssh", "run", "usr", "usr/bin", "usr/bin/tool"),
        *("var", "var/log", "var/log/app"),
    ]
    assert walk_tree(tree).scrubbed == ("etc/machine-id", "etc/ssh/ssh_host_rsa_key")


def test_the_machine_id_is_empty_and_there_in_any_case(tree: Path) -> None:
    (with_one,) = [entry for entry in walk_tree(tree).entries if entry.name == "etc/machine-id"]
    (tree / "etc/machine-id").unlink()
    (without,) = [entry for entry in walk_tree(tree).entries if entry.name == "etc/machine-id"]
    assert with_one == without
    assert (with_one.size, with_one.mode) == (0, 0o444)


def test_no_link_is_followed(tree: Path) -> None:
    (tree / "usr/bin/shadow").symlink_to("/etc/shadow")
    (tree / "usr/lib").symlink_to("/usr/lib")
    entries = {entry.name: entry for entry in walk_tree(tree).entries}
    assert (entries["usr/bin/shadow"].target, entries["usr/bin/shadow"].sha256) == ("/etc/shadow", "")
    assert [name for name in entries if name.startswith("usr/lib/")] == []


def test_names_of_one_file_belong_together(tree: Path) -> None:
    os.link(tree / "usr/bin/tool", tree / "usr/bin/atool")
    manifest = walk_tree(tree)
    assert {entry.name: entry.same for entry in manifest.entries if "tool" in entry.name} == {
        "usr/bin/atool": "",
        "usr/bin/tool": "usr/bin/atool",
    }
    assert manifest.size == len("content")


@pytest.mark.parametrize("change", ["content", "mode", "time", "name", "link"])
def test_any_difference_makes_another_generation(tree: Path, change: str) -> None:
    before = walk_tree(tree).generation(["x"])
    tool = tree / "usr/bin/tool"
    if change == "content":
        tool.write_text("CONTENT")
        os.utime(tool, (1, 1))
    elif change == "mode":
        tool.chmod(0o4755)
    elif change == "time":
        os.utime(tool, (2, 2))
    elif change == "name":
        tool.rename(tree / "usr/bin/other")
    else:
        (tree / "usr/bin/link").symlink_to("tool")
    assert walk_tree(tree).generation(["x"]) != before


def test_what_is_left_out_makes_no_generation(tree: Path) -> None:
    before = walk_tree(tree).generation(["x"])
    (tree / "etc/ssh/ssh_host_rsa_key").write_text("another")
    (tree / "run/socket").touch()
    (tree / "var/log/app/log").write_text("line")
    (tree / "usr/bin/temporary").touch()
    (tree / "usr/bin/temporary").unlink()  # the folder's time is another now
    manifest = walk_tree(tree)
    assert manifest.generation(["x"]) == before
    assert manifest.generation(["y"]) != before


def test_what_is_excluded_is_counted_by_pattern(tree: Path) -> None:
    (tree / "usr/share/doc/a").mkdir(parents=True)
    (tree / "usr/share/doc/a/README").write_text("words")
    os.mkfifo(tree / "usr/share/doc/fifo")
    os.link(tree / "usr/bin/tool", tree / "usr/bin/twin")
    exclude = compile_patterns(["/usr/share/doc/*", "/usr/bin/t?in", "/usr/share/doc", "/nothing/**", "/tmp/*"])
    manifest = walk_tree(tree, exclude=exclude)
    assert manifest.as_excluded() == [
        {"pattern": "/usr/share/doc/*", "files": 0, "bytes": 0},
        {"pattern": "/usr/bin/t?in", "files": 1, "bytes": 7},
        {"pattern": "/usr/share/doc", "files": 4, "bytes": 5},
        {"pattern": "/nothing/**", "files": 0, "bytes": 0},
        {"pattern": "/tmp/*", "files": 0, "bytes": 0},
    ]
    assert sorted(manifest.left_out) == [
        *("etc/machine-id", "etc/ssh/ssh_host_rsa_key", "usr/bin/twin", "usr/share/doc"),
    ]
    assert [entry.name for entry in manifest.entries if "twin" in entry.name or "doc" in entry.name] == []


def test_a_secret_is_found_where_the_operator_does_not_exclude_it(tree: Path) -> None:
    def find(name: str, content: bytes) -> str | None:
        return "secret" if content == b"content" and name else None

    assert walk_tree(tree, find_secret=find).secrets == (Secret("usr/bin/tool", "secret"),)
    assert walk_tree(tree, find_secret=find, exclude=compile_patterns(["/usr/bin"])).secrets == ()


@given(st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b"..")))
def test_any_name_makes_one_line_of_json(name: bytes) -> None:
    text = os.fsdecode(name)
    line = Entry(text, "link", 0o777, 0, 0, target=text).render()
    assert "\n" not in line
    line.encode("ascii")
    assert json.loads(line)["name"] == text


def test_the_manifest_is_json_with_a_file_a_line(tree: Path) -> None:
    manifest = walk_tree(tree)
    document = json.loads(manifest.render())
    assert (document["format"], document["version"]) == ("perceus-manifest", 1)
    assert [entry["name"] for entry in document["entries"]] == names(tree)
    (tool,) = [entry for entry in document["entries"] if entry["name"] == "usr/bin/tool"]
    assert (tool["mtime"], tool["size"], tool["mode"]) == (1, 7, "0644")
    assert len(manifest.render().splitlines()) == len(manifest.entries) + 2


def test_what_is_written_is_read_again(tree: Path) -> None:
    os.setxattr(tree / "usr/bin/tool", "user.note", b"\0\xff")
    os.link(tree / "usr/bin/tool", tree / "usr/bin/twin")
    os.mknod(tree / "null", 0o20666, os.makedev(1, 3))
    (tree / os.fsdecode(b"latin\344")).symlink_to("/a b")
    manifest = walk_tree(tree)
    assert parse_manifest(manifest.render()).entries == manifest.entries


@pytest.mark.parametrize("text", ["", "[]", '{"format": "perceus-manifest", "version": 1, "entries": [{}]}'])
def test_another_format_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not of format|Expecting value"):
        parse_manifest(text)
