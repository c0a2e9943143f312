# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs import phases as module
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases, growth_on, size_of


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "progress" / "debian.json"


def await_record(record: Path, **wanted: Any) -> dict[str, Any]:
    """Wait for a record that says what is wanted."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if record.exists():
            found: dict[str, Any] = json.loads(record.read_text())
            if wanted.items() <= found.items():
                return found
        time.sleep(0.01)
    raise AssertionError(f"no record of {wanted}")


def test_a_phase_tells_how_far_it_is_and_leaves_nothing(record: Path) -> None:
    phases = Phases(record)
    done = 0
    with phases.measured("check", sample=lambda: done, total=100):
        done = 42
        found = await_record(record, phase="check", done=42, total=100, unit="bytes")
        assert record.stat().st_mode & 0o777 == 0o644
        assert await_record(record, phase="check")["written"] >= found["written"]
    assert list(record.parent.iterdir()) == []
    assert set(phases.seconds) == {"check"}


def test_the_innermost_phase_is_told(record: Path) -> None:
    phases = Phases(record)
    with phases.measured("bootstrap"):
        await_record(record, phase="bootstrap")
        with phases.measured("unpack"):
            await_record(record, phase="unpack")
            time.sleep(0.05)
            assert json.loads(record.read_text())["phase"] == "unpack"
        await_record(record, phase="bootstrap", done=None)


def test_a_failure_leaves_no_record_either(record: Path) -> None:
    with pytest.raises(OSError), Phases(record).measured("pack"):
        await_record(record, phase="pack")
        raise OSError
    assert list(record.parent.iterdir()) == []


def test_work_goes_on_when_nobody_can_be_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    phases = Phases(tmp_path / "file" / "debian.json")
    with phases.measured("pack"):
        time.sleep(0.05)
    assert "pack" in phases.seconds


def test_a_file_may_not_be_there_yet(tmp_path: Path) -> None:
    sample = size_of(tmp_path / "file")
    assert sample() == 0
    (tmp_path / "file").write_bytes(b"123")
    assert sample() == 3


def test_a_file_system_fills(tmp_path: Path) -> None:
    assert growth_on(tmp_path)() >= 0
