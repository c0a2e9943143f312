# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test runs against the installed tarball (``make collection``), with this environment's own programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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
)


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
