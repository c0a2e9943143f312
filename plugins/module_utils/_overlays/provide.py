# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of every node: made where it is missing, and what boot scripts are to say of it."""

from __future__ import annotations

from collections.abc import Mapping

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Registry
from .archive import digest_files, find_archive, make_archives
from .compose import NodeFile
from .composer import Composer


def provide_archives(registry: Registry, config: ClusterConfig) -> dict[str, str | PerceusError]:
    """Return the SHA-256 of the archive of each node that has overlays, by the node's name.

    An error stands for one that cannot be made.
    """
    folder, composer = config.overlay_archives, Composer(registry, config)
    digests: dict[str, str] = {}
    archives: dict[str, str | PerceusError] = {}
    missing: dict[str, tuple[NodeFile, ...]] = {}
    for node in registry.nodes:
        if not composer.active(node):
            continue
        try:
            files = composer.compose(node)
        except PerceusError as error:
            archives[node.name] = error
            continue
        digest = digests[node.name] = digest_files(files)
        found = find_archive(folder, digest)
        if found:
            archives[node.name] = found
        else:
            missing[digest] = files
    made: Mapping[str, str | PerceusError]
    try:
        made = make_archives(folder, missing)
    except PerceusError as error:
        made = dict.fromkeys(missing, error)
    return {**archives, **{name: made[digest] for name, digest in digests.items() if digest in made}}


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
