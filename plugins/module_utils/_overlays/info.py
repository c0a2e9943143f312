# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays and what nodes get of them, as a module's result shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Node, Registry
from .compose import NodeFile
from .composer import Composer
from .scopes import find_nodes, find_scopes
from .source import list_overlays


def describe_overlays(registry: Registry, config: ClusterConfig, names: Iterable[str] | None) -> list[dict[str, Any]]:
    """Return what there is of these overlays, or of all."""
    composer = Composer(registry, config)
    return [
        {
            "name": name,
            "files": [file.name for file in composer.overlay(name).files],
            **find_scopes(name, registry),
            "nodes": find_nodes(name, registry, default_vnfs=config.default_vnfs),
        }
        for name in (list_overlays(config.overlays) if names is None else names)
    ]


def preview(nodes: Iterable[Node], registry: Registry, config: ClusterConfig) -> list[dict[str, Any]]:
    """Return every file that each of the nodes gets; ``error`` says why it gets none."""
    composer = Composer(registry, config)
    return [_preview(node, composer) for node in nodes]


def _preview(node: Node, composer: Composer) -> dict[str, Any]:
    overlays = [{"name": active.overlay, "scope": active.scope} for active in composer.active(node)]
    try:
        files = [_describe(file) for file in composer.compose(node)]
    except PerceusError as error:
        return {"node": node.name, "overlays": overlays, "files": [], "error": str(error)}
    return {"node": node.name, "overlays": overlays, "files": files, "error": None}


def _describe(file: NodeFile) -> dict[str, Any]:
    try:
        content = None if file.target else file.content.decode()
    except UnicodeDecodeError:
        content = None
    return {
        "name": f"/{file.name}",
        "overlay": file.origin.overlay,
        "scope": file.origin.scope,
        "mode": f"{file.mode:04o}",
        "target": file.target or None,
        "content": content,
        "size": len(file.content),
        "sha256": hashlib.sha256(file.content).hexdigest(),
    }
