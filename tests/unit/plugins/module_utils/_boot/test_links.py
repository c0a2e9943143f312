# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import INITRAMFS, KERNEL, Image
from ansible_collections.perceus.cluster.plugins.module_utils._boot.links import LinkPlan, apply_links, plan_links
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError

OLD, NEW = (Image("debian", generation, "", "ab" * 32, 1) for generation in ("0" * 16, "1" * 16))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for image in (OLD, NEW):
        folder = image.folder(tmp_path / "vnfs")
        folder.mkdir(parents=True)
        (folder / "vmlinuz").write_text(f"kernel of {image.generation}")
        (folder / "initramfs.img").write_text(f"initramfs of {image.generation}")
    return tmp_path / "vnfs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tftp" / "kernels"


def plan(folder: Path, *images: Image, store: Path) -> LinkPlan:
    return plan_links(folder, [(image, file) for image in images for file in (KERNEL, INITRAMFS)], store=store)


def keep(folder: Path, *images: Image, store: Path) -> list[PerceusError]:
    return apply_links(plan(folder, *images, store=store))


def test_the_folder_holds_links_to_what_is_booted_and_nothing_else(folder: Path, store: Path) -> None:
    assert keep(folder, OLD, store=store) == []
    (folder / ".killed").touch()
    assert keep(folder, NEW, store=store) == []
    assert sorted(os.listdir(folder)) == [f"debian-{'1' * 16}-initramfs.img", f"debian-{'1' * 16}-vmlinuz"]
    for file in ("vmlinuz", "initramfs.img"):
        assert (folder / f"debian-{'1' * 16}-{file}").samefile(NEW.folder(store) / file)


def test_a_second_time_there_is_nothing_to_do(folder: Path, store: Path) -> None:
    keep(folder, NEW, store=store)
    again = plan(folder, NEW, store=store)
    assert (again.added, again.removed) == ({}, ())


def test_a_generation_that_was_made_again_is_linked_again(folder: Path, store: Path) -> None:
    keep(folder, NEW, store=store)
    made = NEW.folder(store) / "vmlinuz"
    made.unlink()
    made.write_text("another kernel")
    assert keep(folder, NEW, store=store) == []
    assert (folder / f"debian-{'1' * 16}-vmlinuz").read_text() == "another kernel"


def test_a_missing_file_is_said_and_keeps_nothing_else_from_being_linked(folder: Path, store: Path) -> None:
    (OLD.folder(store) / "vmlinuz").unlink()
    [problem] = keep(folder, OLD, NEW, store=store)
    assert "Cannot offer" in problem.msg and "No such file" in problem.msg
    assert len(os.listdir(folder)) == 3


def test_a_store_on_another_file_system_is_copied_from(
    folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert keep(folder, NEW, store=store) == []
    assert (folder / f"debian-{'1' * 16}-vmlinuz").read_text() == f"kernel of {NEW.generation}"
    again = plan(folder, NEW, store=store)
    assert (again.added, again.removed) == ({}, ())


def test_a_folder_that_is_none_is_an_error(folder: Path, store: Path) -> None:
    folder.parent.mkdir()
    folder.touch()
    with pytest.raises(PerceusError, match="Cannot read"):
        plan(folder, NEW, store=store)
