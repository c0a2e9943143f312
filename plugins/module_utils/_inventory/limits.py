# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of the inventory: some nodes, or the hosts of some groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from .._nodes.nodeset import select_names
from .snapshot import VNFS_GROUP, Snapshot


def limit_snapshot(snapshot: Snapshot, *, nodes: Sequence[str], groups: Sequence[str]) -> Snapshot:
    """Return what both limits let through; an empty one lets everything through.

    ``nodes`` are node sets, and mean nodes alone: machines that are none, and VNFSs, are left out. ``groups`` are names
    of groups, as Ansible has them, or patterns of such. Raises :class:`PerceusError` for a node set that means no node.
    """
    if nodes:
        known_nodes = [machine for machine in snapshot.machines if "nodes" in machine.groups]
        group_of = {node.name: str(node.facts.get("group", "")) for node in known_nodes}
        wanted = {name for text in nodes for name in select_names(text, group_of)}
        machines = tuple(machine for machine in snapshot.machines if machine.name in wanted)
        snapshot = replace(snapshot, machines=machines, vnfs=())
    if groups:
        known = {group for machine in snapshot.machines for group in machine.groups} | {VNFS_GROUP}
        chosen = {group for group in known if any(fnmatchcase(re.sub(r"\W", "_", group), name) for name in groups)}
        machines = tuple(machine for machine in snapshot.machines if not chosen.isdisjoint(machine.groups))
        snapshot = replace(snapshot, machines=machines, vnfs=snapshot.vnfs if VNFS_GROUP in chosen else ())
    return snapshot
