# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of a node in each root mode, by the first stage as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def mounts(root: Path) -> dict[str, str]:
    """The types of what the first stage has mounted, by place."""
    lines = [line.split() for line in (root / "run/mounts").read_text().splitlines()]
    ours = ("/run/perceus/", "/run/newroot")
    return {place: kind for _what, place, kind, *_options in lines if place.startswith(ours)}


def told(stage: Any) -> list[str]:
    return [report.stage for report in stage.reports()]


def test_overlay_is_a_layer_over_the_packed_image(stage: Any) -> None:
    stage.reconcile()
    assert "perceus.root" not in stage.script
    assert mounts(stage.boot()) == {
        "/run/perceus/image": "tmpfs",
        "/run/perceus/lower": "squashfs",
        "/run/perceus/rw": "tmpfs",
        "/run/newroot": "overlay",
    }


def test_ram_is_the_unpacked_image_and_nothing_else_stays(stage: Any) -> None:
    stage.change_image(root_mode="ram")
    stage.reconcile()
    root = stage.boot()
    assert mounts(root) == {"/run/newroot": "tmpfs"}
    assert (root / "etc/motd").read_text() == "of the image\n"
    assert oct((root / "root").stat().st_mode & 0o7777) == "0o700"
    assert told(stage) == ["fetch", "verified", "pivot"]


def test_ram_needs_room_for_the_image_and_its_files(stage: Any) -> None:
    stage.change_image(root_mode="ram", tree_size=1 << 50)
    stage.reconcile()
    arguments = stage.folder / "cmdline"
    stage.boot_mended("nomem", lambda: arguments.write_text(re.sub("unpacked=[0-9]+", "unpacked=1", stage.script)))
    assert [name for name in told(stage) if name != "nomem"] == ["fetch", "verified", "pivot"]
    assert "the image needs 10" in stage.console


def test_a_node_boots_without_what_no_nfs_server_has(stage: Any) -> None:
    header = json.loads((stage.image / "image.json").read_text())
    files = {**header["files"], "hybrid.squashfs": {"sha256": "0" * 64, "size": 4096}}
    stage.change_image(files=files)
    stage.reconcile()
    assert mounts(stage.boot())["/run/newroot"] == "overlay"
    assert told(stage) == ["fetch", "verified", "retry", "pivot"]
    assert "booting without what the image has on an NFS server" in stage.console
