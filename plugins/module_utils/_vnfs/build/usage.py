# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a VNFS, where the host is a cluster's master: by registry and configuration, and by the nodes' reports."""

from __future__ import annotations

from pathlib import Path

from ..._config import load_config
from ..._errors import PerceusError
from ..._heartbeats import load_heartbeats, load_words
from ..._nodes.registry_file import load_registry
from ..._reports import latest_word
from ..store import Vnfs, refuse_mounts
from ..work.session import refuse_others


def find_users(config_file: Path, vnfs: str) -> list[str]:
    """Return in words what is to boot a VNFS; nothing on a host that is no cluster's master."""
    if not config_file.exists():
        return []
    config = load_config(config_file)
    registry = load_registry(config.registry)
    default = ["the cluster's default"] if config.default_vnfs == vnfs else []
    groups = [f"group {group.name}" for group in registry.groups.values() if group.vnfs == vnfs]
    nodes = [
        f"node {node.name}"
        for node in registry.nodes
        if registry.effective_vnfs(node, default=config.default_vnfs).value == vnfs
    ]
    return [*default, *groups, *nodes]


def refuse_users(config_file: Path, vnfs: str, verb: str, *, hint: str) -> None:
    """Raise :class:`PerceusError`, which names them, when anything is to boot a VNFS."""
    users = find_users(config_file, vnfs)
    if users:
        named = ", ".join(users[:10]) + (f" and {len(users) - 10} more" if users[10:] else "")
        raise PerceusError(f"Cannot {verb} VNFS {vnfs!r}: it is used by {named}", hint=hint, vnfs=vnfs, users=users)


def require_free(vnfs: Vnfs, action: str, *, config: Path, force: bool) -> None:
    """Raise :class:`PerceusError` when somebody needs what the action of a plan throws away."""
    if action == "remove":
        refuse_others(vnfs, "remove")
        refuse_mounts(vnfs.folder, "remove")
        if not force:
            refuse_users(config, vnfs.name, "remove", hint="Have them boot another VNFS, or set force to true")
    elif action == "rebuild":
        refuse_others(vnfs, "rebuild")
        refuse_mounts(vnfs.rootfs, "replace")


def load_running(config_file: Path) -> dict[str, tuple[str, ...]]:
    """Return the names of the nodes that run each generation, by their last reports, or have files of it over NFS."""
    if not config_file.exists():
        return {}
    config = load_config(config_file)
    registry = load_registry(config.registry)
    words = load_words(config.reports, addresses=registry.addresses)
    beats = load_heartbeats(config.reports, addresses=registry.addresses)
    running: dict[str, tuple[str, ...]] = {}
    for node in registry.nodes:
        word = latest_word(words, node.macs)
        mounted = {beats[mac].mounted for mac in node.macs if mac in beats}
        for generation in sorted(filter(None, {word.generation if word else None, *mounted})):
            running[generation] = (*running.get(generation, ()), node.name)
    return running
