# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import ACCESS, Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import Manifest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.hybrid import (
    Hybrid,
    render_hybrid_additions,
    render_text_additions,
    split,
)

FOLDERS = ("", "usr", "usr/share", "usr/share/doc", "usr/share/doc/a", "usr/lib", "usr/lib/perceus")
FILES = ("usr/share/doc/a/copyright", "usr/share/doc/list", "usr/share/icon", "usr/lib/libbig.so")
ACL = ((ACCESS, "0200000001000700ffffffff02000400e703000004000400ffffffff10000700ffffffff20000400ffffffff"),)


def make(*patterns: str, listed: str = "") -> Hybrid:
    entries = [Entry(name, "folder", 0o755, 0, 0) for name in FOLDERS]
    entries += [Entry(name, "file", 0o644, 0, 0, xattrs=ACL if name == listed else ()) for name in FILES]
    manifest = Manifest(tuple(sorted(entries, key=lambda entry: entry.name)), scrubbed=("etc/machine-id",))
    hybrid = split(manifest, patterns)
    assert hybrid is not None
    return hybrid


def test_nothing_leaves_when_no_pattern_matches() -> None:
    assert split(Manifest(()), ("/usr",)) is None


def test_an_empty_folder_with_a_text_stays_in_the_place_of_one_that_leaves() -> None:
    hybrid = make("/usr/share/doc", "/usr/lib/libbig.so")
    assert hybrid.folders == ("usr/share/doc",)
    assert hybrid.left_out_of_image == ["etc/machine-id", "usr/lib/libbig.so", "usr/share/doc/a", "usr/share/doc/list"]
    assert "usr/share/doc" in {entry.name for entry in hybrid.staying}
    assert render_text_additions(hybrid, Path("/a b")) == [
        "-p",
        "\"usr/share/doc/NOT-HERE.perceus\" F 0 444 0 0 cat '/a b'",
    ]


def test_the_second_image_has_what_leaves_and_the_folders_above() -> None:
    hybrid = make("/usr/share/doc", "/usr/lib/libbig.so")
    assert hybrid.left_out_of_hybrid == ["etc/machine-id", "usr/share/icon"]
    assert render_hybrid_additions(hybrid, Path("/acls")) == ["-p", '"usr/share/doc/NOT-HERE.perceus" c 0 0 0 0 0']


def test_each_file_is_in_one_image() -> None:
    hybrid = make("/usr/**/doc/")
    files = {entry.name for entry in hybrid.manifest.entries if entry.kind == "file"}
    stay = {entry.name for entry in hybrid.staying if entry.kind == "file"}
    assert stay == {"usr/share/icon", "usr/lib/libbig.so"}
    assert stay | set(hybrid.names) & files == files


def test_access_control_lists_go_with_their_files() -> None:
    stays = make("/usr/share/doc", listed="usr/share/icon")
    assert stays.acls.startswith("# file: usr/share/icon\n")
    assert not stays.has_acls
    leaves = make("/usr/share/doc", listed="usr/share/doc/list")
    assert leaves.acls == ""
    assert render_hybrid_additions(leaves, Path("/acls"))[-1] == "usr/lib/perceus/acls F 0 444 0 0 cat /acls"


def test_a_name_is_taken_as_it_is() -> None:
    manifest = Manifest((Entry("", "folder", 0o755, 0, 0), Entry('a "b\\', "folder", 0o755, 0, 0)))
    hybrid = split(manifest, ("/a*",))
    assert hybrid is not None
    assert render_text_additions(hybrid, Path("/t"))[1].startswith('"a \\"b\\\\/NOT-HERE.perceus" F')
