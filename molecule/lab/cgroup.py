# SPDX-License-Identifier: GPL-3.0-or-later
"""Who belongs to the lab is the kernel's knowledge: each of its parts runs in a cgroup (version 2) of its own.

A process cannot leave its cgroup, its children inherit it, and the kernel ends all of it at once (``cgroup.kill``), so
there is no list of process ids that could be lost or grow old.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.errors import LabError
from lab.mounts import mounts


@cache
def hierarchy() -> Path:
    """Where the unified hierarchy is mounted."""
    for mount in mounts():
        if mount.kind == "cgroup2":
            return mount.target
    raise LabError("Cannot find a cgroup version 2 hierarchy: mount one on /sys/fs/cgroup/unified")


@dataclass(frozen=True)
class Cgroup:
    """A cgroup, whether it exists or not; ``name`` is its path below the hierarchy."""

    name: str

    @property
    def path(self) -> Path:
        return hierarchy() / self.name

    def join(self) -> None:
        """Make the calling process a member."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def processes(self) -> list[int]:
        """Every member, of the groups below too."""
        return [int(pid) for procs in self.path.rglob("cgroup.procs") for pid in procs.read_text().split()]

    def populated(self) -> bool:
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except FileNotFoundError:
            return False

    def folders(self) -> list[Path]:
        """Where it exists: systemd-nspawn repeats it in the version 1 hierarchy of name systemd where there is one."""
        hierarchies = [mount.target for mount in mounts() if mount.kind in ("cgroup", "cgroup2")]
        return [path for hierarchy in hierarchies if (path := hierarchy / self.name).is_dir()]

    def kill(self, *, timeout: float = 15) -> None:
        """End every member and remove the group with all below it. ``timeout`` is in seconds."""
        deadline = time.monotonic() + timeout
        with suppress(FileNotFoundError):
            (self.path / "cgroup.kill").write_text("1")
        while self.populated():
            if time.monotonic() > deadline:
                raise LabError(f"Cannot end the processes of {self.name!r}: {self.processes()} are still there")
            time.sleep(0.05)
        for top in self.folders():
            for folder, _, _ in os.walk(top, topdown=False):
                os.rmdir(folder)
