# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a whole: up, down, and what must not be left of it."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab import folders, inventory, master, network, packages, process, ssh
from lab.errors import LabError
from lab.loops import loop_devices
from lab.mounts import mounts
from lab.settings import Lab


def up(lab: Lab) -> None:
    """Make whatever is missing of the lab: its network and a master that answers. Machines stay as they are."""
    with _locked(lab):
        lab.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ssh.configure(lab)
        inventory.configure(lab)
        network.up(lab)
        master.up(lab)


def down(lab: Lab) -> None:
    """Remove the lab whatever state it is in; the cache stays."""
    with _locked(lab):
        ssh.hang_up(lab)
        lab.cgroup.kill()
        for namespace in (lab.master, lab.switch):
            for pid in network.members(namespace):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            network.remove(namespace)
        for device in loop_devices(below=lab.folder):
            process.run(["losetup", "--detach", device])
        for trace in master.traces(lab):
            folders.remove(trace)
        packages.collect(lab)
        folders.remove(lab.folder)


def purge(lab: Lab) -> None:
    """Remove the lab and the cache that labs share."""
    down(lab)
    with _locked(lab):
        others = sorted(folder.name for folder in lab.folder.parent.glob("*"))
        if others:
            raise LabError(f"Cannot purge {str(lab.base)!r}: it is used by {', '.join(others)}; take them down first")
        folders.remove(lab.base)


def leftovers(lab: Lab) -> list[str]:
    """What is there of the lab, one line each; empty when it is down."""
    return [
        *(f"process {pid} in {lab.cgroup.name}" for pid in lab.cgroup.processes()),
        *(f"process {pid} in {name}" for name in (lab.master, lab.switch) for pid in network.members(name)),
        *(f"cgroup {folder}" for folder in lab.cgroup.folders()),
        *(f"network namespace {name}" for name in (lab.master, lab.switch) if network.exists(name)),
        *(f"mount {mount.target}" for mount in mounts(below=lab.folder)),
        *(f"loop device {device}" for device in loop_devices(below=lab.folder)),
        *(f"trace {trace}" for trace in master.traces(lab)),
        *(f"folder {lab.folder}" for folder in [lab.folder] if folder.exists()),
    ]


@contextmanager
def _locked(lab: Lab) -> Iterator[None]:
    """Keep others from the lab and its cache meanwhile; a dead process's lock is no lock."""
    lab.base.mkdir(parents=True, exist_ok=True)
    with (lab.base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
