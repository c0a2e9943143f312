# SPDX-License-Identifier: GPL-3.0-or-later
"""What each node of a registry gets, from the overlays that lie on the master; sources are read once."""

from __future__ import annotations

from functools import cached_property

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Node, Registry
from .compose import NodeFile, compose, is_template
from .facts import describe_cluster, describe_node, load_accounts
from .scopes import Active, find_active
from .source import Overlay, load_overlay
from .templates import Templates


class Composer:
    """Composes the files of nodes. ``given`` stand for the sources of their names.

    Every method raises :class:`PerceusError` when a node cannot be given its own.
    """

    def __init__(self, registry: Registry, config: ClusterConfig, *given: Overlay) -> None:
        self._registry = registry
        self._config = config
        self._read: dict[str, Overlay | PerceusError] = {overlay.name: overlay for overlay in given}
        self._same: dict[tuple[Active, ...], tuple[NodeFile, ...]] = {}  # of overlays without templates

    def active(self, node: Node) -> tuple[Active, ...]:
        """Return the overlays of a node, in the order in which they are applied."""
        return find_active(node, self._registry, vnfs=self._vnfs(node))

    def compose(self, node: Node) -> tuple[NodeFile, ...]:
        """Return the files of a node, by name."""
        active = self.active(node)
        overlays = {origin.overlay: self.overlay(origin.overlay) for origin in active}
        if any(is_template(file) for overlay in overlays.values() for file in overlay.files):
            facts = describe_node(node, self._registry, self._config, vnfs=self._vnfs(node))
            return compose(active, overlays, {"node": facts}, self._templates)
        if active not in self._same:
            self._same[active] = compose(active, overlays, {}, self._templates)
        return self._same[active]

    def overlay(self, name: str) -> Overlay:
        """Return an overlay as it lies on the master."""
        if name not in self._read:
            try:
                self._read[name] = load_overlay(self._config.overlays, name)
            except PerceusError as error:
                self._read[name] = error
        found = self._read[name]
        if isinstance(found, PerceusError):
            raise found
        return found

    @cached_property
    def _templates(self) -> Templates:
        return Templates(cluster=describe_cluster(self._config), accounts=load_accounts())

    def _vnfs(self, node: Node) -> str:
        return self._registry.effective_vnfs(node, default=self._config.default_vnfs).value
