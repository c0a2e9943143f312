# SPDX-License-Identifier: GPL-3.0-or-later
"""VNFSs as hosts of the inventory, in which Ansible works by the connection plugin ``vnfs``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import PerceusError
from .._names import parse_vnfs_name
from .store import current_generation, list_vnfs


@dataclass(frozen=True)
class VnfsHost:
    """One VNFS that has a tree. ``generation`` is the one that is served, None when nothing is published."""

    vnfs: str
    generation: str | None

    @property
    def name(self) -> str:
        """The inventory's name, which no node can have: theirs have no dot."""
        return f"{self.vnfs}.vnfs"

    @property
    def facts(self) -> dict[str, Any]:
        return {"vnfs": self.vnfs, "generation": self.generation}


def load_hosts(store: Path) -> tuple[tuple[VnfsHost, ...], tuple[str, ...]]:
    """Return the VNFSs of the store, by name, and warnings: what is wrong with it hides no node."""
    try:
        found = list_vnfs(store)
    except OSError as error:
        return (), (f"Cannot list the VNFSs in {str(store)!r}: {error.strerror}. None of them is a host",)
    hosts, warnings = [], []
    for vnfs in found:
        if vnfs.has_tree:
            try:
                hosts.append(VnfsHost(parse_vnfs_name(vnfs.name), current_generation(vnfs)))
            except PerceusError as error:
                warnings.append(f"{error.msg}. It is no host")
    return tuple(hosts), tuple(warnings)
