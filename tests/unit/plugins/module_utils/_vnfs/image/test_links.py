# SPDX-License-Identifier: GPL-3.0-or-later
"""Which links break under another root, and where they lead once they are relative."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.links import (
    Link,
    apply_links,
    audit_links,
    make_relative,
    plan_links,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.work.sandbox import chase
from hypothesis import given
from hypothesis import strategies as st

LINKS = {
    "usr/bin/good": "../lib/tool",
    "usr/bin/absolute": "/usr/lib/tool",
    "usr/bin/climbing": "../../../../usr/lib/tool",
    "usr/bin/nowhere": "/usr/lib/none",
    "usr/bin/loop": "loop",
    "usr/bin/device": "/dev/null",
    "usr/bin/resolver": "/run/resolv.conf",
    "usr/folder": "/usr/lib",
    "top": "/usr/lib",
    "tmp/left": "/usr/lib",
}


@pytest.fixture
def vnfs(tmp_path: Path) -> Vnfs:
    vnfs = Vnfs(tmp_path / "debian")
    for folder in ("usr/bin", "usr/lib", "tmp"):
        (vnfs.rootfs / folder).mkdir(parents=True)
    (vnfs.rootfs / "usr/lib/tool").touch()
    for name, target in LINKS.items():
        (vnfs.rootfs / name).symlink_to(target)
    return vnfs


def test_links_that_break_under_another_root_are_listed(vnfs: Vnfs) -> None:
    assert audit_links(vnfs.rootfs) == [
        Link("top", "/usr/lib", "absolute"),
        Link("usr/bin/absolute", "/usr/lib/tool", "absolute"),
        Link("usr/bin/climbing", "../../../../usr/lib/tool", "escapes"),
        Link("usr/bin/loop", "loop", "dangling"),
        Link("usr/bin/nowhere", "/usr/lib/none", "dangling"),
        Link("usr/folder", "/usr/lib", "absolute"),
    ]


def test_what_a_pattern_names_becomes_relative_and_nothing_else(vnfs: Vnfs) -> None:
    os.lchown(vnfs.rootfs / "usr/folder", 7, 8)
    before = (vnfs.rootfs / "usr/folder").lstat()
    plan = plan_links(vnfs, compile_patterns(["/usr/**"]))
    assert plan.relative == {"usr/bin/absolute": "../lib/tool", "usr/bin/climbing": "../lib/tool", "usr/folder": "lib"}
    assert plan.as_diff()["after"] == "".join(f"{name} -> {target}\n" for name, target in plan.relative.items())
    apply_links(plan, vnfs)
    after = (vnfs.rootfs / "usr/folder").lstat()
    assert (after.st_uid, after.st_gid, after.st_mtime_ns) == (7, 8, before.st_mtime_ns)
    found = {
        str(path.relative_to(vnfs.rootfs)): os.readlink(path) for path in vnfs.rootfs.rglob("*") if path.is_symlink()
    }
    assert found == {**LINKS, **plan.relative}
    assert not plan_links(vnfs, compile_patterns(["/usr/**"])).changed


@given(
    st.lists(st.sampled_from("abc"), max_size=3),
    st.lists(st.sampled_from(["a", "b", "..", ".", ""]), min_size=1, max_size=6),
    st.booleans(),
)
def test_a_relative_link_leads_where_it_led(folder: list[str], parts: list[str], absolute: bool) -> None:
    target = "/" * absolute + "/".join(parts).lstrip("/")
    nowhere = Path("/proc/self/fdinfo")  # no name in it is a link
    led = chase(nowhere, target if absolute else "/".join([*folder, target]))
    relative = make_relative("/".join([*folder, "link"]), target)
    assert not relative.startswith("/")
    assert relative.split("/").count("..") <= len(folder) + parts.count("..")
    assert chase(nowhere, "/".join([*folder, relative])) == led
