# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.capsule import (
    Header,
    build_pack_argv,
    differing_name,
    parse_header,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import Manifest

HEADER = Header("debian", "0123456789abcdef", "2030-01-01T00:00:00Z", 3, 70, "0" * 64, {"packages": ["sudo"]})
FILE = Entry("etc/issue", "file", 0o644, 0, 0, sha256="1" * 64)
LAST = Entry("usr", "folder", 0o755, 0, 0)


def test_a_header_comes_back_as_it_was_written() -> None:
    assert parse_header(HEADER.render().encode(), capsule=Path("x")) == HEADER


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "\0", "[" * 100_000, '{"format": "perceus-capsule"}'),
        *(HEADER.render().replace(*change) for change in ((": 1,", ": 2,"), (": 70", ": -70"), (": 3,", ": true,"))),
        *(HEADER.render().replace(*change) for change in (("0000", "zzzz"), ('"bytes"', '"size"'), ('"sudo"', "{}}"))),
    ],
)
def test_what_is_no_header_is_refused(text: str) -> None:
    with pytest.raises(PerceusError, match="Cannot use"):
        parse_header(text.encode(), capsule=Path("x"))


def render(*entries: Entry) -> str:
    return Manifest(entries).render()


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ([FILE, LAST], None),
        ([replace(FILE, mode=0o4644), LAST], "etc/issue"),
        ([replace(FILE, xattrs=(("security.capability", "00"),)), LAST], "etc/issue"),
        ([LAST], "etc/issue"),
        ([FILE], "usr"),
        ([FILE, replace(FILE, name="more"), LAST], "more"),
        ([FILE, LAST, replace(FILE, name="zzz")], "zzz"),
    ],
)
def test_the_file_that_differs_is_named(found: list[Entry], name: str | None) -> None:
    assert differing_name(render(FILE, LAST), render(*found)) == name


@pytest.mark.parametrize("text", ["", "[\n1\n]", json.dumps({"entries": []})])
def test_a_manifest_of_another_form_differs(text: str) -> None:
    assert differing_name(text, render(FILE, LAST)) is not None


def test_tar_takes_names_as_they_are_and_keeps_everything() -> None:
    argv = build_pack_argv(
        rootfs=Path("/store/debian/rootfs"), scratch=Path("/new"), target=Path("/x.vnfs"), made=["m"]
    )
    assert argv[:3] == ["tar", "--create", "--file=/x.vnfs"]
    assert {"--sparse", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--no-recursion", "--null"} <= set(argv)
    assert argv[argv.index("/store/debian") + 2] == "--files-from=-"
