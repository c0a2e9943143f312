# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is made of: its name, its folder, its addresses and its machines, as one value."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.cgroup import Cgroup
from lab.errors import LabError

BASE = Path("/var/lib/perceus-lab")
MASTER = "127.0.0.1"  # inside its own namespace
PRIVATE_NETWORK = "10.17.5.0/24"
NODE_ADDRESSES = "10.17.5.*"
NAME = re.compile(r"[a-z][a-z0-9]{0,30}")


@dataclass(frozen=True)
class Machine:
    """A bare machine: a NIC that boots from the network and blank disks. ``memory`` and ``disk`` are in MiB; the first
    disk's serial is ``NAME-1``, the second one's ``NAME-2``.

    ``firmware`` is ``bios``, ``uefi``, or ``secure``: UEFI that boots what is signed by Microsoft's keys only.
    """

    name: str
    mac: str
    memory: int = 1024
    disk: int = 2048
    disks: int = 1
    firmware: str = "bios"


MACHINES = (Machine("n101", "52:54:00:17:05:01"), Machine("n102", "52:54:00:17:05:02"))


@dataclass(frozen=True)
class Lab:
    """Names and paths of one lab. Labs of different names stand beside each other."""

    name: str
    base: Path
    machines: tuple[Machine, ...] = MACHINES

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise LabError(f"Cannot name a lab {self.name!r}: lower-case letters and digits only")

    @classmethod
    def from_environment(cls) -> Lab:
        """The lab that ``PERCEUS_LAB`` names, below ``PERCEUS_LAB_DIR``."""
        base = Path(os.environ.get("PERCEUS_LAB_DIR") or BASE)
        return cls(os.environ.get("PERCEUS_LAB") or "perceus", base.resolve())

    def machine(self, name: str) -> Machine:
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise LabError(f"Cannot find machine {name!r}: there are {', '.join(m.name for m in self.machines)}")

    @property
    def cache(self) -> Path:
        """Master trees and package files that labs share; ``down`` leaves it."""
        return self.base / "cache"

    @property
    def folder(self) -> Path:
        """Everything that is this lab's own."""
        return self.base / "labs" / self.name

    @property
    def root(self) -> Path:
        """The master's root file system."""
        return self.folder / "root"

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def connections(self) -> Path:
        """Sockets of the ssh connections that Ansible keeps open; the scenario's group variables name it too."""
        return self.folder / "cp"

    @property
    def operator_key(self) -> Path:
        return self.folder / "operator"

    def console(self, machine: Machine) -> Path:
        return self.folder / f"{machine.name}.console"

    def disk(self, machine: Machine, number: int = 1) -> Path:
        return self.folder / f"{machine.name}.{number}.disk"

    def variables(self, machine: Machine) -> Path:
        """What UEFI firmware remembers."""
        return self.folder / f"{machine.name}.{machine.firmware}.vars"

    @property
    def switch(self) -> str:
        """The network namespace that holds the bridge and the machines' taps."""
        return f"{self.cgroup.name}-switch"

    @property
    def master(self) -> str:
        """The master's network namespace."""
        return f"{self.cgroup.name}-master"

    @property
    def cgroup(self) -> Cgroup:
        return Cgroup(f"perceus-lab-{self.name}")

    def part(self, name: str) -> Cgroup:
        """The cgroup of one part: ``uplink``, ``master`` or a machine."""
        return Cgroup(f"{self.cgroup.name}/{name}")
