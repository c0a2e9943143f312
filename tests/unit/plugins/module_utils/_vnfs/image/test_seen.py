# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image import seen as module
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import Manifest, walk_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.seen import Seen, load_seen, save_seen

CONDITIONS = ("some",)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "rootfs"
    (tree / "etc").mkdir(parents=True)
    for name in ("a", "b", "secret"):
        (tree / "etc" / name).write_text(name)
    os.link(tree / "etc/a", tree / "etc/twin")
    return tree


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every file for old enough: waiting for it would take a second."""
    monkeypatch.setattr(module, "TICK", -10_000_000_000)


def walk(tree: Path, *, conditions: tuple[str, ...] = CONDITIONS) -> tuple[Manifest, list[str]]:
    """The manifest of a tree, and which files were read for it."""
    read: list[str] = []

    def find(name: str, _content: bytes) -> str | None:
        read.append(name)
        return "secret" if name == "etc/secret" else None

    seen = load_seen(tree.parent / ".seen", conditions=conditions)
    manifest = walk_tree(tree, find_secret=find, seen=seen)
    save_seen(tree.parent / ".seen", seen)
    return manifest, sorted(read)


def test_what_has_not_changed_is_not_read_again(tree: Path) -> None:
    first, read = walk(tree)
    assert read == ["etc/a", "etc/b", "etc/secret", "etc/twin"]
    second, read = walk(tree)
    assert read == ["etc/secret"]
    assert second == first == walk_tree(tree, find_secret=lambda name, _: "secret" if name == "etc/secret" else None)


def test_what_changed_is_read_whatever_its_time_and_size(tree: Path) -> None:
    walk(tree)
    status = (tree / "etc/b").stat()
    (tree / "etc/b").write_text("B")
    os.utime(tree / "etc/b", ns=(status.st_atime_ns, status.st_mtime_ns))
    manifest, read = walk(tree)
    assert read == ["etc/b", "etc/secret"]
    assert manifest.entries == walk_tree(tree).entries


@pytest.mark.parametrize("change", ["chmod", "xattr", "unlink", "rename", "link"])
def test_a_change_without_content_is_noticed_too(tree: Path, change: str) -> None:
    walk(tree)
    if change == "chmod":
        (tree / "etc/a").chmod(0o600)
    elif change == "xattr":
        os.setxattr(tree / "etc/a", "user.note", b"x")
    elif change == "unlink":
        (tree / "etc/a").unlink()
    elif change == "rename":
        (tree / "etc/b").rename(tree / "etc/a")
    else:
        os.link(tree / "etc/b", tree / "etc/another")
    manifest, _ = walk(tree)
    assert manifest.entries == walk_tree(tree).entries


def test_other_conditions_see_everything_anew(tree: Path) -> None:
    walk(tree)
    assert len(walk(tree, conditions=("other",))[1]) == 4


def test_a_file_that_may_still_change_unnoticed_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK", 1_000_000_000)
    file = tmp_path / "file"
    file.touch()
    entry = Entry("file", "file", 0o644, 0, 0)
    young, old = Seen(), Seen()
    young.remember(entry, file.stat())
    monkeypatch.setattr(old, "_begin", time.time_ns() + 60_000_000_000)
    old.remember(entry, file.stat())
    assert (set(young.as_fields()), set(old.as_fields())) == (set(), {"file"})


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff"])
def test_what_cannot_be_read_is_as_never_seen(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".seen").write_bytes(content)
    assert load_seen(tmp_path / ".seen", conditions=()).as_fields() == {}


def test_it_is_for_root_and_written_only_when_it_changed(tree: Path) -> None:
    file = tree.parent / ".seen"
    walk(tree)
    before = file.stat()
    assert stat.S_IMODE(before.st_mode) == 0o600
    walk(tree)
    assert file.stat().st_ino == before.st_ino
