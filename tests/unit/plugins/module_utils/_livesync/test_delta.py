# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes to a node that runs one generation, to make another of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.perceus.cluster.plugins.module_utils._livesync.delta import (
    Delta,
    has_lookalikes,
    plan_delta,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import Manifest

FOLDERS = ("", "etc", "opt", "opt/deep", "usr", "usr/bin", "usr/lib")


def file(name: str, **values: Any) -> Entry:
    return replace(Entry(name, "file", 0o644, 0, 0, size=1, mtime=1, sha256="a" * 64), **values)


def folder(name: str) -> Entry:
    return Entry(name, "folder", 0o755, 0, 0)


def compare(before: list[Entry], after: list[Entry]) -> Delta:
    folders = [folder(name) for name in FOLDERS]
    return plan_delta(Manifest((*folders, *before)), Manifest((*folders, *after)))


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.name for entry in entries if entry.kind != "folder"]


def test_equal_generations_make_an_empty_delta() -> None:
    delta = compare([file("etc/motd")], [file("etc/motd")])
    assert (delta.parts, delta.deleted) == ({}, ())


def test_new_and_changed_files_go_whole_with_the_folders_above_them() -> None:
    delta = compare([file("etc/motd")], [file("etc/motd", sha256="b" * 64), file("opt/deep/new")])
    assert [entry.name for entry in delta.files] == ["", "etc", "etc/motd", "opt", "opt/deep", "opt/deep/new"]
    assert list(delta.parts) == ["files"]


def test_of_a_file_that_keeps_its_content_only_the_attributes_go() -> None:
    before = [file("etc/motd"), file("usr/bin/ping"), Entry("etc/link", "link", 0o777, 0, 0, target="motd", mtime=1)]
    after = [
        replace(before[0], mtime=2),
        replace(before[1], xattrs=(("security.capability", "01"),)),
        replace(before[2], mtime=2),
    ]
    delta = compare(before, after)
    assert names(delta.attributes) == ["etc/motd", "usr/bin/ping"]
    assert names(delta.files) == ["etc/link"]  # a link has no content to spare


def test_libraries_go_first_and_with_all_their_names() -> None:
    delta = compare(
        [], [file("usr/lib/libc.so.6"), file("usr/lib/plugin.so"), file("usr/bin/so"), file("usr/bin/tool.sock")]
    )
    assert names(delta.libraries) == ["usr/lib/libc.so.6", "usr/lib/plugin.so"]
    assert names(delta.files) == ["usr/bin/so", "usr/bin/tool.sock"]
    named_twice = compare([], [file("usr/bin/loader"), file("usr/lib/ld.so", same="usr/bin/loader")])
    assert names(named_twice.libraries) == ["usr/bin/loader", "usr/lib/ld.so"]


def test_a_file_with_several_names_goes_whole_when_one_of_them_comes_or_goes() -> None:
    pair = [file("usr/bin/a"), file("usr/bin/b", same="usr/bin/a")]
    more = [*pair, file("usr/bin/c", same="usr/bin/a")]
    assert names(compare(pair, more).files) == ["usr/bin/a", "usr/bin/b", "usr/bin/c"]
    fewer = compare(more, pair)
    assert (names(fewer.files), fewer.deleted) == (["usr/bin/a", "usr/bin/b"], ("usr/bin/c",))
    parted = [*pair, file("usr/bin/c", mode=0o755)]
    assert names(compare(more, parted).files) == ["usr/bin/a", "usr/bin/b", "usr/bin/c"]
    touched = [replace(entry, mtime=2) for entry in pair]
    assert names(compare(pair, touched).attributes) == ["usr/bin/a", "usr/bin/b"]


def test_only_the_topmost_names_of_what_is_deleted_are_named() -> None:
    gone = [folder("opt/app"), file("opt/app/file"), folder("opt/app/sub"), file("opt/app/sub/file"), file("etc/old")]
    delta = compare(gone, [])
    assert delta.deleted == ("etc/old", "opt/app")
    assert [entry.name for entry in delta.deletions] == ["", "etc", "opt"]


def test_nothing_is_deleted_through_a_link_that_takes_the_place_of_a_folder() -> None:
    before = [folder("lib"), file("lib/libc.so.6")]
    after = [Entry("lib", "link", 0o777, 0, 0, target="usr/lib"), file("usr/lib/libc.so.6")]
    delta = compare(before, after)
    assert delta.deleted == ()
    assert names(delta.files) == ["lib"]


def test_what_becomes_of_another_kind_goes_whole() -> None:
    delta = compare([folder("opt/x"), file("opt/x/y"), file("etc/f")], [file("opt/x"), folder("etc/f")])
    assert (names(delta.files), delta.deleted) == (["opt/x"], ())
    assert "etc/f" in [entry.name for entry in delta.files]


def test_a_change_that_size_and_time_do_not_show_is_a_lookalike() -> None:
    before = Manifest((folder("etc"), file("etc/motd"), file("etc/gone")))
    for change, hidden in (
        ({"sha256": "b" * 64}, True),
        ({"sha256": "b" * 64, "mtime": 2}, False),
        ({"uid": 1}, False),
    ):
        assert has_lookalikes(before, Manifest((folder("etc"), file("etc/motd", **change), file("etc/new")))) is hidden
