# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test runs against the installed tarball (``make collection``), with this environment's own programs."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
CACHE = ROOT / ".cache"
COLLECTIONS = CACHE / "collections"
INSTALLED = COLLECTIONS / "ansible_collections" / "perceus" / "cluster"

sys.path.insert(0, str(COLLECTIONS))
os.environ.update(
    PATH=f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
    ANSIBLE_CONFIG=str(TESTS / "ansible.cfg"),
    ANSIBLE_HOME=str(CACHE / "ansible"),
    HYPOTHESIS_STORAGE_DIRECTORY=str(CACHE / "hypothesis"),
)
hypothesis.settings.register_profile("house", deadline=None)  # a loaded machine is no failure
hypothesis.settings.load_profile("house")

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
GRACE = 20  # seconds; ssh's shared connections live for 15 after their last use, see ansible.cfg


def pytest_configure() -> None:
    if not INSTALLED.is_dir():
        raise pytest.UsageError("Cannot test the collection: it is not installed under .cache. Run 'make collection'")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with the name of the folder below ``tests/`` that it lies in."""
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def cache() -> Path:
    """The folder for what tests build and may find again in the next run; git ignores it."""
    return CACHE


@pytest.fixture(scope="session")
def installed() -> Path:
    """The collection under test, as a user has it."""
    return INSTALLED


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After the last test no process of any test runs, and nothing is mounted or looped below the tests' folders.

    Orphans, also daemons, become children of this process, which is how it knows them from everybody else's.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    folders = (str(CACHE), str(tmp_path_factory.getbasetemp()))
    yield
    deadline = time.monotonic() + GRACE
    while (processes := _children()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes == []
    assert [mount for mount in _mount_points() if mount.startswith(folders)] == []
    assert [file for file in _loop_files() if file.startswith(folders)] == []


def _children() -> list[str]:
    """Every living child of this process, as ``PID COMMAND``."""
    pids = Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
    commands = {pid: Path("/proc", pid, "cmdline").read_bytes() for pid in pids}  # a zombie's is empty
    return [
        f"{pid} {command.replace(bytes(1), b' ').decode(errors='replace')}"
        for pid, command in commands.items()
        if command
    ]


def _mount_points() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def _loop_files() -> list[str]:
    return [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
