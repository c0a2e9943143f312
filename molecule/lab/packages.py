# SPDX-License-Identifier: GPL-3.0-or-later
"""Package files that labs share, by hard links: apt would lock a folder that two masters had in common."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lab.settings import Lab


def lend(lab: Lab) -> None:
    """Give the master what earlier masters have fetched."""
    _link(lab.cache / "archives", _archives(lab))


def collect(lab: Lab) -> None:
    """Keep what the master has fetched for those that come."""
    _link(_archives(lab), lab.cache / "archives")


def _archives(lab: Lab) -> Path:
    return lab.root / "var/cache/apt/archives"


def _link(source: Path, target: Path) -> None:
    for package in source.glob("*.deb"):
        target.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.link(package, target / package.name)
