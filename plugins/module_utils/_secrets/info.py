# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and who gets them, as a module's result shows it: never what is in them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Registry
from .._overlays.scopes import SCOPES
from .store import ALL, Declared, Held, holder_file, load_secrets


def describe_secrets(registry: Registry, config: ClusterConfig) -> list[dict[str, Any]]:
    """Return every secret that is declared, with the nodes that get it."""
    declared = Declared(config.secrets)
    nodes: dict[Held, list[str]] = defaultdict(list)
    for node in registry.nodes:
        for held in declared.of(node, vnfs=registry.effective_vnfs(node, default=config.default_vnfs).value):
            nodes[held].append(node.name)
    return [
        {
            "file": secret.file,
            "scope": scope,
            "of": holder or None,
            "owner": secret.owner,
            "group": secret.group,
            "mode": secret.mode,
            "place": secret.place,
            "restart": list(secret.restart),
            "size": len(secret.content),
            "nodes": nodes[Held(scope, holder, secret)],
        }
        for scope, holder in _list_holders(config)
        for secret in load_secrets(holder_file(config.secrets, scope, holder)).values()
    ]


def _list_holders(config: ClusterConfig) -> list[tuple[str, str]]:
    try:
        named = [(scope, file.stem) for scope in SCOPES[1:] for file in sorted((config.secrets / scope).glob("*.json"))]
    except OSError as error:
        raise PerceusError(f"Cannot look into {str(config.secrets)!r}: {error.strerror}", hint="Become root") from error
    return [("all", ALL), *named]
