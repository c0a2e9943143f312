# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import (
    Image,
    load_current_image,
    load_images,
    parse_image,
)
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from hypothesis import given
from hypothesis import strategies as st

GENERATION, SHA256 = "0123456789abcdef", "ab" * 32
HEADER: dict[str, Any] = {
    "format": "perceus-image",
    "version": 1,
    "vnfs": "debian",
    "generation": GENERATION,
    "kernel_release": "6.1.0-1-amd64",
    "kernel_args": "quiet",
    "root_mode": "overlay",
    "created": "2030-01-01T00:00:00Z",
    "files": {
        "vmlinuz": {"sha256": SHA256, "size": 1},
        "initramfs.img": {"sha256": SHA256, "size": 1},
        "rootfs.squashfs": {"sha256": SHA256, "size": 1234},
    },
    "tree_size": 1,
    "tree_files": 1,
}
Publish = Callable[..., Path]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Lay down an image as the store does, and return the store."""

    def publish(header: str, *, current: str = f"images/{GENERATION}") -> Path:
        image = tmp_path / "debian" / "images" / GENERATION
        image.mkdir(parents=True)
        (image / "image.json").write_text(header)
        (tmp_path / "debian" / "current").symlink_to(current)
        return tmp_path

    return publish


def test_the_current_image_is_found(publish: Publish) -> None:
    store = publish(json.dumps(HEADER))
    assert load_current_image(store, "debian") == Image("debian", GENERATION, "quiet", SHA256, 1234, unpacked=4097)


def test_only_images_that_can_be_booted_are_among_all(publish: Publish) -> None:
    store = publish(json.dumps(HEADER))
    broken = store / "debian/images" / ("f" * 16)
    broken.mkdir()
    (broken / "image.json").write_text("{}")
    assert list(load_images(store)) == [load_current_image(store, "debian")]


def test_nothing_published_is_no_image(tmp_path: Path) -> None:
    assert load_current_image(tmp_path, "debian") is None
    (tmp_path / "debian").mkdir()
    assert load_current_image(tmp_path, "debian") is None


@pytest.mark.parametrize("target", ["../../etc", "/etc", f"images/{GENERATION}/..", "images/newest"])
def test_current_leads_nowhere_but_to_a_generation(publish: Publish, target: str) -> None:
    store = publish(json.dumps(HEADER), current=target)
    with pytest.raises(PerceusError, match=r"^Cannot boot VNFS 'debian': 'current' points to "):
        load_current_image(store, "debian")


def test_current_must_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "debian" / "current").mkdir(parents=True)
    with pytest.raises(PerceusError, match="'current' is no link"):
        load_current_image(tmp_path, "debian")


def test_a_generation_that_is_gone_is_named(publish: Publish) -> None:
    store = publish(json.dumps(HEADER), current="images/ffffffffffffffff")
    with pytest.raises(PerceusError, match="ffffffffffffffff: No such file"):
        load_current_image(store, "debian")


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "other"},
        {"version": 2},
        {"vnfs": "rocky"},
        {"generation": "f" * 16},
        {"kernel_args": None},
        {"root_mode": "floppy"},
        {"root_mode": ["ram"]},
        {"tree_size": None},
        {"kernel_args": "a && b"},
        {"files": {}},
        {"files": None},
        {"files": {"rootfs.squashfs": {"sha256": SHA256, "size": 1}}},
        {"files": {**HEADER["files"], "rootfs.squashfs": {"sha256": "short", "size": 1}}},
        {"files": {**HEADER["files"], "rootfs.squashfs": {"sha256": SHA256, "size": "1"}}},
        {"files": {**HEADER["files"], "rootfs.squashfs": {"sha256": SHA256, "size": 0}}},
        {"files": {**HEADER["files"], "rootfs.squashfs": {}}},
    ],
)
def test_a_header_that_is_not_this_images_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match=r"^Cannot "):
        parse_image(json.dumps({**HEADER, **changed}), vnfs="debian", generation=GENERATION)


@pytest.mark.parametrize("header", ["", "null", "[]", "7", '"text"', json.dumps(HEADER)[:200], "[" * 100000])
def test_what_is_no_header_is_refused(header: str) -> None:
    with pytest.raises(PerceusError, match="is not what it should be"):
        parse_image(header, vnfs="debian", generation=GENERATION)


@given(header=st.binary())
def test_no_bytes_break_the_parser(header: bytes) -> None:
    with pytest.raises(PerceusError):
        parse_image(header, vnfs="debian", generation=GENERATION)
