# SPDX-License-Identifier: GPL-3.0-or-later
"""What dnsmasq leaves on the disk in the middle of its work; tests/integration does the same with the real one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._leases import reader
from ansible_collections.perceus.cluster.plugins.module_utils._leases.reader import load_leases

LINE = 64  # bytes: a block holds a whole number of lines
WHOLE = "".join(
    f"1893456000 52:54:00:00:00:{number:02x} 10.17.5.{number} ".ljust(LINE - 3, "n") + " *\n"
    for number in range(1, 101)
)
BLOCK = WHOLE[: reader.BLOCK]
assert BLOCK.endswith("\n") and len(WHOLE) == 100 * LINE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dnsmasq.leases"


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PATIENCE", 0.2)
    monkeypatch.setattr(reader, "STILLNESS", 0.1)


def age(file: Path) -> None:
    """Make ``file`` one that nobody has touched for an hour."""
    then = time.time() - 3600
    os.utime(file, (then, then))


def later(act: Callable[[], object]) -> None:
    """Let dnsmasq go on in the middle of a read."""
    threading.Timer(0.05, act).start()


def test_a_whole_file_is_read_at_once(file: Path) -> None:
    file.write_text(WHOLE)
    assert len(load_leases(file).leases) == 100


@pytest.mark.parametrize("torn", ["", BLOCK, WHOLE[:100], WHOLE[:-1]], ids=["empty", "block", "part", "no end"])
def test_a_torn_file_is_read_again_until_it_is_whole(file: Path, torn: str) -> None:
    file.write_text(torn)
    later(lambda: file.write_text(WHOLE))
    assert len(load_leases(file).leases) == 100


@pytest.mark.parametrize(("content", "machines"), [("", 0), (BLOCK, 64)], ids=["empty", "block"])
def test_a_file_that_only_looks_torn_is_believed_once_it_has_rested(file: Path, content: str, machines: int) -> None:
    file.write_text(content)
    assert len(load_leases(file).leases) == machines


def test_a_file_that_nobody_touches_is_believed_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "STILLNESS", 60)
    file.write_text(BLOCK)
    age(file)
    assert len(load_leases(file).leases) == 64


def test_a_file_that_stays_torn_is_an_error(file: Path) -> None:
    file.write_text(WHOLE[:-1])
    age(file)
    with pytest.raises(PerceusError, match="its last line is cut short"):
        load_leases(file)


def test_a_missing_file_is_an_error_unless_it_may_be_missing(file: Path) -> None:
    with pytest.raises(PerceusError, match="No such file"):
        load_leases(file)
    assert load_leases(file, missing_ok=True).leases == ()


def test_folders_and_pipes_are_no_lease_files(file: Path, tmp_path: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(PerceusError, match="not a regular file"):
        load_leases(file)
    with pytest.raises(PerceusError, match="Is a directory"):
        load_leases(tmp_path)


def test_a_file_of_a_gigabyte_is_refused_unread(file: Path) -> None:
    file.touch()
    os.truncate(file, 1024**3)
    with pytest.raises(PerceusError, match="more than any cluster"):
        load_leases(file)


def test_bytes_that_are_no_text_become_a_warning(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\0garbage\n" + WHOLE[LINE:].encode())
    found = load_leases(file)
    assert len(found.leases) == 99
    assert len(found.warnings) == 1
