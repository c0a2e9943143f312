# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.last_good import load_or_recall
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.snapshot import Snapshot
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import Machine

FULL = Snapshot((Machine("n101", ("nodes",), {}),))


def fail() -> NoReturn:
    raise PerceusError("Cannot read leases")


def test_what_was_read_last_is_shown_with_reason_and_age(tmp_path: Path) -> None:
    kept = tmp_path / "last.json"
    assert load_or_recall(lambda: FULL, kept) == FULL
    os.utime(kept, (time.time() - 100, time.time() - 100))
    recalled = load_or_recall(fail, kept)
    assert recalled.machines == FULL.machines
    assert recalled.warnings == ("Cannot read leases; the inventory shown is 100 seconds old",)


def test_its_age_is_that_of_the_last_reading_though_nothing_changed(tmp_path: Path) -> None:
    kept = tmp_path / "last.json"
    load_or_recall(lambda: FULL, kept)
    os.utime(kept, (0, 0))
    load_or_recall(lambda: FULL, kept)
    assert "shown is 0 seconds old" in load_or_recall(fail, kept).warnings[0]


def test_without_anything_kept_the_error_remains(tmp_path: Path) -> None:
    with pytest.raises(PerceusError, match="Cannot read leases"):
        load_or_recall(fail, tmp_path / "last.json")


def test_a_file_that_is_something_else_is_an_error(tmp_path: Path) -> None:
    kept = tmp_path / "last.json"
    kept.write_text("{}")
    with pytest.raises(PerceusError, match=r"last.json"):
        load_or_recall(fail, kept)


def test_only_its_owner_may_read_what_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "last.json"
    load_or_recall(lambda: FULL, kept)
    assert kept.stat().st_mode & 0o777 == 0o600


def test_that_nothing_can_be_kept_is_a_warning(tmp_path: Path) -> None:
    found = load_or_recall(lambda: FULL, tmp_path / "missing/last.json")
    assert found.machines == FULL.machines
    assert "Cannot write" in found.warnings[0]
