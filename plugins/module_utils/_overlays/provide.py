# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of every node: made where it is missing, and what boot scripts are to say of it."""

from __future__ import annotations

from collections.abc import Mapping

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Node, Registry
from .archive import provide_archive
from .composer import Composer


def provide_archives(registry: Registry, config: ClusterConfig) -> dict[str, str | PerceusError]:
    """Return the SHA-256 of the archive of each node that has overlays, by the node's name.

    An error stands for one that cannot be made.
    """
    composer = Composer(registry, config)
    return {node.name: _provide(node, composer, config) for node in registry.nodes if composer.active(node)}


def find_problems(archives: Mapping[str, str | PerceusError]) -> list[PerceusError]:
    """Return each reason why nodes cannot be given their overlays once, with the nodes that it holds up."""
    held_up: dict[str, list[str]] = {}
    hints: dict[str, str | None] = {}
    for node, archive in archives.items():
        if isinstance(archive, PerceusError):
            held_up.setdefault(archive.msg, []).append(node)
            hints[archive.msg] = archive.hint
    return [
        PerceusError(
            f"{why} ({', '.join(nodes[:5])}{f' and {len(nodes) - 5} more' if nodes[5:] else ''})",
            hint=hints[why],
        )
        for why, nodes in held_up.items()
    ]


def _provide(node: Node, composer: Composer, config: ClusterConfig) -> str | PerceusError:
    try:
        return provide_archive(config.overlay_archives, composer.compose(node))
    except PerceusError as error:
        return error
