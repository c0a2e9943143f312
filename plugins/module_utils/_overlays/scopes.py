# SPDX-License-Identifier: GPL-3.0-or-later
"""Where overlays are active: for all nodes, those of a VNFS, those of a group, or single ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .._errors import PerceusError
from .._names import parse_group_name, parse_vnfs_name
from .._nodes.nodeset import select_nodes
from .._nodes.registry import ALL_VNFS, Group, Node, Registry

SCOPES = ("all", "vnfs", "group", "node")  # the most particular last: its files replace those of the others

Change = Callable[[tuple[str, ...]], tuple[str, ...]]


@dataclass(frozen=True)
class Active:
    """An overlay that a node gets, and the scope for which it is active."""

    overlay: str
    scope: str


def find_active(node: Node, registry: Registry, *, vnfs: str) -> tuple[Active, ...]:
    """Return the overlays of a node that boots ``vnfs``, in the order in which they are applied.

    One that is active in several scopes counts in the most particular.
    """
    group = registry.groups.get(node.group)
    lists = (
        registry.overlays.get(ALL_VNFS, ()),
        registry.overlays.get(vnfs, ()),
        group.overlays if group else (),
        node.overlays,
    )
    found: dict[str, Active] = {}
    for scope, names in zip(SCOPES, lists):
        for name in names:
            found.pop(name, None)
            found[name] = Active(name, scope)
    return tuple(found.values())


def find_nodes(overlay: str, registry: Registry, *, default_vnfs: str) -> list[str]:
    """Return the names of the nodes that get an overlay."""
    return [
        node.name
        for node in registry.nodes
        for active in find_active(node, registry, vnfs=registry.effective_vnfs(node, default=default_vnfs).value)
        if active.overlay == overlay
    ]


def find_scopes(overlay: str, registry: Registry) -> dict[str, Any]:
    """Return whether an overlay is active for ``all`` nodes, and for which ``vnfs``, ``groups`` and ``own_nodes``."""
    vnfs = [name for name, overlays in registry.overlays.items() if overlay in overlays]
    return {
        "all": ALL_VNFS in vnfs,
        "vnfs": sorted(name for name in vnfs if name != ALL_VNFS),
        "groups": sorted(name for name, group in registry.groups.items() if overlay in group.overlays),
        "own_nodes": [node.name for node in registry.nodes if overlay in node.overlays],
    }


def set_active(registry: Registry, overlay: str, *, scope: str, of: str | None, active: bool) -> Registry:
    """Return the registry in which an overlay is active, or not, in a scope ``of`` that VNFS, group or set of nodes.

    Raises :class:`PerceusError` when there is no such.
    """

    def change(overlays: tuple[str, ...]) -> tuple[str, ...]:
        if (overlay in overlays) == active:
            return overlays
        return (*overlays, overlay) if active else tuple(name for name in overlays if name != overlay)

    if scope == "all":
        return _change_vnfs(registry, ALL_VNFS, change)
    if of is None:
        raise PerceusError(f"Cannot tell which {scope} is meant", hint="Name it")
    if scope == "vnfs":
        return _change_vnfs(registry, parse_vnfs_name(of), change)
    if scope == "group":
        group = registry.groups.get(of) or Group(parse_group_name(of))
        changed = replace(group, overlays=change(group.overlays))
        return registry if changed == group else replace(registry, groups={**registry.groups, of: changed})
    chosen = {node.name for node in select_nodes(of, registry)}
    return registry.of_nodes(
        replace(node, overlays=change(node.overlays)) if node.name in chosen else node for node in registry.nodes
    )


def _change_vnfs(registry: Registry, vnfs: str, change: Change) -> Registry:
    overlays = {**registry.overlays, vnfs: change(registry.overlays.get(vnfs, ()))}
    return replace(registry, overlays={name: names for name, names in overlays.items() if names})
