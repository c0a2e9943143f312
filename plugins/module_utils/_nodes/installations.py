# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are installed on their disks: what the registry knows of it, by order and by their own reports.

A token is good for one reinstallation: the node keeps it on its disk, and refuses it from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from .._reports import Report
from .nodeset import select_nodes
from .registry import Node, Registry

INSTALLED = "installed"  # the stage; its detail is the token by which it was asked for, if any


def order_reinstall(registry: Registry, names: str, *, new_token: Callable[[], str]) -> Registry:
    """Return the registry in which the nodes of a set are to be installed anew, whatever their disks bear.

    Who waits for that already keeps the token. Raises :class:`PerceusError` when the set means no node.
    """
    chosen = {node.name for node in select_nodes(names, registry)}
    return registry.of_nodes(
        replace(node, reinstall=new_token()) if node.name in chosen and not node.reinstall else node
        for node in registry.nodes
    )


def withdraw_reinstall(registry: Registry, names: str) -> Registry:
    """Return the registry in which the nodes of a set stay as they are installed."""
    chosen = {node.name for node in select_nodes(names, registry)}
    return registry.of_nodes(replace(node, reinstall="") if node.name in chosen else node for node in registry.nodes)


def note_installations(registry: Registry, reports: Iterable[Report]) -> Registry:
    """Return the registry that knows what nodes, each from its own address, last reported of their installation."""
    latest = {}
    for report in reports:
        node = registry.by_mac.get(report.mac)
        if node and report.stage == INSTALLED and report.address == node.address and report.generation:
            latest[node.name] = report
    return registry.of_nodes(_noted(node, latest.get(node.name)) for node in registry.nodes)


def _noted(node: Node, report: Report | None) -> Node:
    if report is None or (node.reinstall and report.detail != node.reinstall):
        return node
    return replace(node, installed=report.generation, reinstall="")
