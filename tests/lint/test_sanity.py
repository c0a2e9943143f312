# SPDX-License-Identifier: GPL-3.0-or-later
"""``ansible-test sanity`` on the installed tarball, in the layout and repository that it wants."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PIP = "24.2"  # the pip that ansible-test of ansible-core 2.18 and 2.19 bootstraps its environments with


@pytest.fixture(scope="module")
def home(cache: Path) -> Path:
    """A home for ansible-test, whose environments stay for the next run; pip comes from the package index."""
    home = cache / "ansible-test"
    bootstrap = home / ".ansible" / "test" / "cache"
    bootstrap.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("get_pip.py"), bootstrap / f"get_pip_{PIP.replace('.', '_')}.py")
    if not (bootstrap / f"pip-{PIP}-py3-none-any.whl").exists():
        download = ["pip", "download", "--quiet", "--no-deps", "--dest", str(bootstrap), f"pip=={PIP}"]
        subprocess.run([sys.executable, "-m", *download], check=True)
    return home


@pytest.fixture
def tree(tmp_path: Path, installed: Path, root: Path) -> Path:
    """A copy of the installed collection as a git repository of its own, with ansible-test's settings."""
    tree = tmp_path / "ansible_collections" / "perceus" / "cluster"
    shutil.copytree(installed, tree, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "tests").mkdir()
    shutil.copy(root / "tests" / "config.yml", tree / "tests")
    (tree / ".gitignore").write_text("/tests/output/\n")
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=tree, check=True)
    subprocess.run(["git", "add", "."], cwd=tree, check=True)
    return tree


def test_ansible_finds_the_collection_sane(content: Callable[..., None], home: Path, tree: Path) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    content(
        "ansible-test",
        "sanity",
        "--local",
        "--color=no",
        "--python",
        python,
        cwd=tree,
        env={**os.environ, "HOME": str(home)},
    )
