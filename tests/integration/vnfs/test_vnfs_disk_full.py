# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that is full names what is needed and what is free, serves what it served, and takes a second run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import RECIPE, Master, import_options

STORE = "/var/lib/perceus/vnfs"
MB = 1_000_000
PLENTY = 2000 * MB


@dataclass(frozen=True)
class Small:
    """A store on a file system of its own, with a copy of the published capsule on it."""

    master: Master

    @property
    def path(self) -> Path:
        return self.master.path(STORE)

    def leave(self, room: int) -> None:
        """Have that many bytes free."""
        status = os.statvfs(self.path)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        self.master.run("mount", "-o", f"remount,size={used + room}", STORE)

    def look(self) -> dict[str, Any]:
        """What is served, and every name in the store that is not a lock's, a tree's or a cache's."""
        current = self.path / "debian/current"
        return {
            "served": os.readlink(current),
            "sums": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(current.iterdir())},
            "names": sorted(str(path) for path in self.path.glob("*/*") if path.name != ".seen"),
            "images": sorted(path.name for path in self.path.glob("*/images/*")),
        }


@pytest.fixture
def small(image: Master) -> Iterator[Small]:
    image.do("vnfs_image", name="debian")
    image.run("mkdir", "/var/lib/perceus/small")
    image.run("mount", "-t", "tmpfs", "-o", f"size={PLENTY}", "tmpfs", "/var/lib/perceus/small")
    image.run("cp", "--archive", f"{STORE}/debian", "/var/lib/perceus/small/debian")
    image.run("mount", "--move", "/var/lib/perceus/small", STORE)
    yield Small(image)
    image.run("umount", STORE)
    image.run("rmdir", "/var/lib/perceus/small")


def refused(result: dict[str, Any], verb: str, name: str) -> str:
    """The message of a result that says that there was no room, with bytes."""
    assert result["failed"], result
    message = str(result["msg"])
    assert message.startswith(f"Cannot {verb} VNFS {name!r}: no space in "), message
    assert f"({result['free']} bytes) were free" in message
    assert "exception" not in result
    return message


@pytest.mark.parametrize("room", [20 * MB, 110 * MB], ids=["foreseen", "midway"])
def test_publishing(small: Small, room: int) -> None:
    before = small.look()
    (small.path / "debian/rootfs/srv/full").write_text("changed")
    small.leave(room)
    message = refused(small.master.call("vnfs_image", name="debian"), "publish", "debian")
    assert "it needs about 1" in message  # hundred and some MB, as the image before
    assert small.look() == before
    small.leave(PLENTY)
    assert small.master.do("vnfs_image", name="debian")["action"] == "publish"


def test_building(small: Small) -> None:
    before = small.look()
    small.leave(40 * MB)
    refused(small.master.call("vnfs", **{**RECIPE, "name": "new"}), "build", "new")
    refused(small.master.call("vnfs", **RECIPE, state="rebuilt"), "build", "debian")
    assert small.look() == before
    assert not (small.path / "new").exists()


def test_importing_and_cloning(small: Small, exported: dict[str, Any], copy: str) -> None:
    before = small.look()
    small.leave(300_000)
    result = small.master.call("vnfs_capsule", name=copy, **import_options(exported))
    assert result["failed"]
    assert "it holds 1" in result["msg"]
    assert "and there is room for " in result["msg"]
    refused(small.master.call("vnfs", name=copy, clone={"vnfs": "debian"}), "build", copy)
    assert small.look() == before
    small.leave(PLENTY)
    assert small.master.do("vnfs_capsule", name=copy, **import_options(exported))["action"] == "import"


def test_exporting(small: Small) -> None:
    folder = small.master.path("/var/lib/perceus/full")
    folder.mkdir()
    small.master.run("mount", "-t", "tmpfs", "-o", "size=20M", "tmpfs", "/var/lib/perceus/full")
    try:
        options = {"name": "debian", "state": "exported", "folder": "/var/lib/perceus/full"}
        refused(small.master.call("vnfs_capsule", **options), "export", "debian")
        assert list(folder.iterdir()) == []
        small.master.run("mount", "-o", f"remount,size={PLENTY}", "/var/lib/perceus/full")
        assert small.master.do("vnfs_capsule", **options)["changed"]
    finally:
        small.master.run("umount", "/var/lib/perceus/full")
        folder.rmdir()
