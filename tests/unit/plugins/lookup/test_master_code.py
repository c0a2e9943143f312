# SPDX-License-Identifier: GPL-3.0-or-later
"""The code of the master's services as one file."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.perceus.cluster.plugins.lookup.master_code import SOURCE, write_archive


def test_the_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        write_archive(tmp_path / name, SOURCE)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_masters_own_python_runs_it_without_anything_else(tmp_path: Path) -> None:
    write_archive(tmp_path / "perceus.zip", SOURCE)
    for program in ("reconcile", "identity"):
        done = subprocess.run(
            [
                "/usr/bin/python3",
                "-I",
                "-c",
                f"import sys; sys.path = [sys.argv[1], *sys.path]; import perceus._master.{program}",
            ]
            + [str(tmp_path / "perceus.zip")],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
