# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes and groups are told to be, each value with its origin, as a module's result shows it."""

from __future__ import annotations

from typing import Any

from .._config import ClusterConfig
from .registry import DEFAULT_BOOT, Group, Node, Registry


def describe_policy(node: Node, registry: Registry, config: ClusterConfig) -> dict[str, Any]:
    """Return what is in effect for a node beside its VNFS."""
    boot = registry.effective_boot(node)
    console = registry.effective_console(node, default=config.console)
    kernel_args = registry.added_kernel_args(node, config)
    return {
        "macs": list(node.macs),
        "boot": boot.value,
        "boot_origin": boot.origin,
        "console": console.value,
        "console_origin": console.origin,
        "kernel_args": " ".join(added.value for added in kernel_args),
        "kernel_args_origins": {added.origin: added.value for added in kernel_args},
        "description": node.description,
        "variables": dict(node.variables),
        "overlays": list(node.overlays),
    }


def describe_groups(registry: Registry, config: ClusterConfig) -> list[dict[str, Any]]:
    """Return every group, by name, with its nodes and what is in effect for those that have no values of their own."""
    members: dict[str, list[str]] = {name: [] for name in registry.groups}
    for node in registry.nodes:
        members.setdefault(node.group, []).append(node.name)
    return [_describe_group(name, members[name], registry, config) for name in sorted(members)]


def _describe_group(name: str, members: list[str], registry: Registry, config: ClusterConfig) -> dict[str, Any]:
    group = registry.groups.get(name) or Group(name)
    return {
        "name": name,
        "nodes": members,
        "vnfs": group.vnfs or config.default_vnfs,
        "vnfs_origin": "group" if group.vnfs else "default",
        "boot": group.boot or DEFAULT_BOOT,
        "console": group.console or config.console,
        "kernel_args": group.kernel_args,
        "overlays": list(group.overlays),
        "description": group.description,
    }
