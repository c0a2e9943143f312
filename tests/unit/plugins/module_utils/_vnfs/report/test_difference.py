# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.apt import Distribution
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import Manifest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.content import Content
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.difference import Difference, diff_contents
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.packages import Installed, Package

FILE = Entry("etc/motd", "file", 0o644, 0, 0, size=12, mtime=1, sha256="a" * 64)


def content(*entries: Entry, packages: dict[str, str] | None = None, kind: str = "deb") -> Content:
    listed = tuple(Package(name.split()[0], version, "amd64") for name, version in (packages or {}).items())
    installed = Installed(kind, Distribution("debian"), listed)
    return Content("debian", "tree", "2030-01-01T00:00:00Z", Manifest(entries), installed, None)


def diff(before: Content, after: Content) -> Difference:
    return diff_contents(before, after, runner=CommandRunner())


@pytest.mark.parametrize(
    ("kind", "before", "after", "change"),
    [
        ("deb", "3.0.9-1", "3.0.17-1~deb12u1", "upgraded"),
        ("deb", "1.0", "1.0~rc1", "downgraded"),
        ("deb", "1:1.0", "2.0", "downgraded"),
        ("rpm", "3.0.9-1.el9", "3.0.17-1.el9", "upgraded"),
        ("rpm", "1.0-1", "1.0~rc1-1", "downgraded"),
        ("rpm", "1.0-1", "1.0^git1-1", "upgraded"),
        ("rpm", "1:1.0-1", "2.0-1", "downgraded"),
        ("rpm", "1.0-9.el9", "1.0-10.el9", "upgraded"),
    ],
)
def test_versions_are_in_the_order_of_their_distribution(kind: str, before: str, after: str, change: str) -> None:
    (found,) = diff(
        content(packages={"openssl": before}, kind=kind), content(packages={"openssl": after}, kind=kind)
    ).packages
    assert (found.name, found.change, found.before, found.after) == ("openssl", change, before, after)


def test_packages_come_and_go() -> None:
    found = diff(content(packages={"vim": "2", "nano": "1"}), content(packages={"nano": "1", "emacs": "3"})).packages
    assert [(change.name, change.change) for change in found] == [("emacs", "added"), ("vim", "removed")]


def test_versions_side_by_side_come_and_go_by_themselves() -> None:
    before = content(packages={"kernel 1": "5.14-1", "kernel 2": "5.14-2"}, kind="rpm")
    after = content(packages={"kernel 2": "5.14-2", "kernel 3": "5.14-3"}, kind="rpm")
    found = [(change.change, change.before or change.after) for change in diff(before, after).packages]
    assert found == [("removed", "5.14-1"), ("added", "5.14-3")]


@pytest.mark.parametrize("version", ["') os.execute('id", "-1", "1 2", "%{lua:}"])
def test_a_hostile_version_reaches_no_program(version: str) -> None:
    with pytest.raises(PerceusError, match="Cannot compare version"):
        diff(content(packages={"a": "1"}, kind="rpm"), content(packages={"a": version}, kind="rpm"))


@pytest.mark.parametrize(
    ("after", "change", "differing"),
    [
        (replace(FILE, size=13, sha256="b" * 64), "content", ("size", "sha256")),
        (replace(FILE, mode=0o4755, uid=7), "metadata", ("mode", "uid")),
        (replace(FILE, xattrs=(("user.a", "00"),), mtime=2), "metadata", ("mtime", "xattrs")),
        (replace(FILE, kind="link", target="x", size=0, sha256=""), "content", ("kind", "size", "sha256", "target")),
    ],
)
def test_a_changed_file_says_what_of_it_changed(after: Entry, change: str, differing: tuple[str, ...]) -> None:
    (found,) = diff(content(FILE), content(after)).files
    assert (found.change, found.before, found.after, found.differing) == (change, 12, after.size, differing)


def test_the_same_content_does_not_differ() -> None:
    same = diff(content(FILE, packages={"a": "1"}), content(FILE, packages={"a": "1"}))
    assert same.render() == "--- debian tree\n+++ debian tree\npackages: no difference\nfiles: no difference\n"


def test_people_read_one_line_for_each_change() -> None:
    before = content(FILE, replace(FILE, name="srv"), packages={"openssl": "1", "vim": "2"})
    after = content(replace(FILE, size=20), replace(FILE, name="new\nline"), packages={"openssl": "2"})
    assert diff(before, after).render().splitlines()[2:] == [
        "packages: 1 removed, 1 upgraded",
        "  upgraded    openssl (amd64)  1 -> 2",
        "  removed     vim (amd64)  2",
        "files: 1 added, 1 content, 1 removed",
        "  content     '/etc/motd'  12 -> 20 bytes  size",
        "  added       '/new\\nline'  12 bytes",
        "  removed     '/srv'  12 bytes",
    ]
