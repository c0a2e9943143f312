# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs: run to their end, or started to stay."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.cgroup import Cgroup
from lab.errors import LabError


def run(argv: Sequence[str], *, timeout: float = 60, cgroup: Cgroup | None = None) -> str:
    """Run a program to its end and return its standard output. ``timeout`` is in seconds."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            preexec_fn=cgroup.join if cgroup else None,
        )
    except FileNotFoundError:
        raise _missing(argv) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"Cannot finish {shlex.join(argv)!r}: no end after {timeout:g} s") from None
    if done.returncode != 0:
        raise LabError(
            f"Cannot finish {shlex.join(argv)!r}: exit status {done.returncode}: {done.stderr.strip()[-2000:]}"
        )
    return done.stdout


def show(argv: Sequence[str]) -> None:
    """Run a program to its end on the terminal."""
    print(f"$ {shlex.join(argv)}", flush=True)
    try:
        status = subprocess.run(argv, check=False).returncode
    except FileNotFoundError:
        raise _missing(argv) from None
    if status != 0:
        raise LabError(f"Cannot finish {shlex.join(argv)!r}: exit status {status}")


def start(
    argv: Sequence[str],
    *,
    cgroup: Cgroup,
    log: Path,
    env: Mapping[str, str] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> None:
    """Start a program that stays, as a member of ``cgroup`` from its first instruction on."""
    try:
        with log.open("wb") as output:
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=cgroup.join,
            )
    except FileNotFoundError:
        raise _missing(argv) from None


def wait_until(condition: Callable[[], bool], *, timeout: float, reason: str, every: float = 0.2) -> None:
    """Ask ``condition`` until it holds; ``reason`` completes the error's sentence when it does not in ``timeout`` s."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{reason} after {timeout:g} s")
        time.sleep(every)


def _missing(argv: Sequence[str]) -> LabError:
    return LabError(f"Cannot run {argv[0]!r}: not found; install the package that holds it")
