# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.files import apply_folder, plan_folder
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_folder_comes_to_hold_exactly_what_is_wanted(tmp_path: Path) -> None:
    folder = tmp_path / "boot"
    folder.mkdir()
    for name in ("same", "other", "stale", ".other.half-written"):
        (folder / name).write_text("old")
    wanted = {"same": "old", "other": "new", "more": "new"}
    plan = plan_folder(folder, wanted)
    assert plan.describe() == [
        "added boot/more",
        "changed boot/other",
        "removed boot/.other.half-written",
        "removed boot/stale",
    ]
    apply_folder(plan)
    assert contents(folder) == wanted
    assert plan_folder(folder, wanted).describe() == []


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "boot", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("untouched")
    (folder / "name").symlink_to(outside)
    apply_folder(plan_folder(folder, {"name": "untouched"}))
    assert not (folder / "name").is_symlink()
    assert outside.read_text() == "untouched"


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    apply_folder(plan_folder(tmp_path / "a" / "b", {"name": "content"}))
    assert contents(tmp_path / "a" / "b") == {"name": "content"}


def test_files_are_readable_by_the_daemons_that_need_them(tmp_path: Path) -> None:
    apply_folder(plan_folder(tmp_path, {"name": "content"}))
    assert (tmp_path / "name").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "boot").touch()
    with pytest.raises(PerceusError, match="Cannot read"):
        plan_folder(tmp_path / "boot", {})


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(PerceusError, match=r"Cannot keep .*folder"):
        apply_folder(plan_folder(tmp_path, {}))
