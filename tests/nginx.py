# SPDX-License-Identifier: GPL-3.0-or-later
"""A real nginx in a namespace, killed with the process that started it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.wire import Namespace


@contextmanager
def running_nginx(machine: Namespace, text: str, folder: Path, *, asked: str) -> Iterator[subprocess.Popen[bytes]]:
    """nginx with ``text`` inside its ``http``, and its files in ``folder``; it answers at the URL ``asked``."""
    configuration, errors = folder / "nginx.conf", folder / "nginx.errors"
    configuration.write_text(
        f"user root; daemon off; master_process off; pid {folder}/nginx.pid; error_log {errors};"
        f" events {{}} http {{ {text} }}"
    )
    running = subprocess.Popen(machine.command("nginx", "-e", str(errors), "-c", str(configuration)))
    try:
        deadline = time.monotonic() + 10
        while subprocess.run(machine.command("curl", "-so", "/dev/null", asked), check=False).returncode:
            assert running.poll() is None and time.monotonic() < deadline, errors.read_text()
            time.sleep(0.05)
        yield running
    finally:
        running.terminate()
        running.wait(timeout=10)
