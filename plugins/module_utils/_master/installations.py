# SPDX-License-Identifier: GPL-3.0-or-later
"""Note in the registry which nodes report that they are installed on their disks, so that they boot from there."""

from __future__ import annotations

from collections.abc import Callable

from .._config import ClusterConfig
from .._files import locked
from .._lines import lines_with
from .._nodes.installations import INSTALLED, note_installations
from .._nodes.registry_file import load_registry, save_registry
from .._reports import TAIL, load_tail, parse_reports
from .journal import say_in_journal


def run(load: Callable[[], ClusterConfig], *, say: Callable[[str], None] = say_in_journal) -> int:
    """Bring the registry up to date with the report log; return the exit status. Safe to run at any time, and twice."""
    config = load()
    lines = lines_with([f'"{INSTALLED}"'], load_tail(config.reports, TAIL))
    if not lines:
        return 0
    with locked(config.lock, what="the registry"):
        before = load_registry(config.registry)
        after = note_installations(before, parse_reports("\n".join(lines)))
        if after != before:
            save_registry(config.registry, after)
    for was, node in zip(before.nodes, after.nodes):
        if was != node:
            say(f"{node.name} is installed on its disk, generation {node.installed}")
    return 0
