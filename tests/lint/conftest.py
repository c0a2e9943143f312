# SPDX-License-Identifier: GPL-3.0-or-later
"""What linters and rules have in common: the files of the checkout, and a tool that must be content."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Sources = Callable[..., list[Path]]
Content = Callable[..., None]


@pytest.fixture(scope="session")
def sources(root: Path) -> Sources:
    """``sources("*.py")``: the files of the checkout, committed or about to be, that match one of git's pathspecs."""

    def find(*pathspecs: str) -> list[Path]:
        listing = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard", "--", *pathspecs],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return sorted({root / name for name in listing.stdout.split("\0") if (root / name).is_file()})

    return find


@pytest.fixture
def content(root: Path) -> Content:
    """``content("ruff", "check")``: fail with what the tool says unless it ends with status 0."""

    def run(*argv: str, cwd: Path = root, env: dict[str, str] | None = None) -> None:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{' '.join(argv[:3])} ended with {done.returncode}:\n{done.stdout.decode()}", pytrace=False)

    return run
