# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user installs is what was tested, whole and nothing else."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePosixPath

import pytest

SHIPPED = ("README.md", "LICENSE", "changelogs", "meta", "playbooks", "plugins", "requirements.txt", "roles")


@pytest.fixture(scope="module")
def members(cache: Path) -> list[PurePosixPath]:
    """The names of all files in the one tarball that was built."""
    (tarball,) = cache.glob("perceus-cluster-*.tar.gz")
    with tarfile.open(tarball) as archive:
        return [PurePosixPath(member.name) for member in archive if member.isfile()]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_tarball_holds(name: str, members: list[PurePosixPath]) -> None:
    assert any(member.parts[0] == name for member in members)


def test_the_tarball_holds_nothing_hidden_or_generated(members: list[PurePosixPath]) -> None:
    stray = [str(member) for member in members if any(part[0] == "." or part == "__pycache__" for part in member.parts)]
    assert stray == []


def test_the_tarball_holds_only_files_of_the_checkout(
    members: list[PurePosixPath], sources: Callable[..., list[Path]], root: Path
) -> None:
    known = {str(path.relative_to(root)) for path in sources()} | {"MANIFEST.json", "FILES.json"}
    known -= {name for name in known if name.startswith(("molecule/", "tests/"))}
    assert sorted({str(member) for member in members} - known) == []


def test_what_is_installed_is_the_checkout(sources: Callable[..., list[Path]], root: Path, installed: Path) -> None:
    """An installation that lags behind would make every other test vouch for yesterday's code."""
    stale = []
    for path in sources("meta", "playbooks", "plugins", "roles"):
        copy = installed / path.relative_to(root)
        if not copy.is_file() or copy.read_bytes() != path.read_bytes():
            stale.append(str(path.relative_to(root)))
    assert stale == [], "run 'make collection'"


def test_what_is_imported_is_what_is_installed(installed: Path) -> None:
    module = import_module("ansible_collections.perceus.cluster.plugins.module_utils._errors")
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(installed)
