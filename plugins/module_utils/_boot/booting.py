# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that boots through one of its interfaces: what each boot loader makes its script of."""

from __future__ import annotations

from dataclasses import dataclass

from .._config import ClusterConfig
from .._nodes.registry import Node, Registry
from .images import Image
from .kernel_args import render_kernel_args


@dataclass(frozen=True)
class Booting:
    """``mac`` is the interface's, ``overlay`` the SHA-256 of the archive of the node's overlays, if it has any."""

    node: Node
    mac: str
    registry: Registry
    config: ClusterConfig
    overlay: str | None = None

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def console(self) -> str:
        return self.registry.effective_console(self.node, default=self.config.console).value

    def kernel_args(self, image: Image) -> str:
        return render_kernel_args(self.node, image, self.registry, self.config, mac=self.mac, overlay=self.overlay)
