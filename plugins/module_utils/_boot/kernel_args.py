# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's command line of a node: who it is, what it boots, and where it says so."""

from __future__ import annotations

from .._config import ClusterConfig
from .._nodes.registry import Node, Registry
from .image_servers import choose_servers
from .images import ROOT, Image


def render_kernel_args(
    node: Node, image: Image, registry: Registry, config: ClusterConfig, *, mac: str, overlay: str | None
) -> str:
    """Return the arguments with which ``node`` boots ``image`` through the interface ``mac``.

    ``overlay`` is the SHA-256 of the archive of its overlays. What has a URL is there once for each image server, the
    one to ask first before the others. ``BOOTIF`` is PXELINUX's form, hardware type first;
    ``ip`` is that of dracut.cmdline(7). What administrators added comes last, the most particular at the end, since the
    last of two equal arguments wins.
    """
    own = config.address
    of_image, _origin = image.kernel_args_for(group=node.group, node=node.name)
    servers = choose_servers(config.image_servers, master=config.url, node=node.name, group=node.group)
    images = [config.image_url(image.vnfs, image.generation, ROOT, server=server) for server in servers]
    archives = [config.overlay_url(overlay, server=server) for server in servers] if overlay else []
    arguments = [
        f"perceus.node={node.name}",
        f"perceus.vnfs={image.vnfs}",
        f"perceus.generation={image.generation}",
        *(f"perceus.image={url}" for url in images),
        f"perceus.sha256={image.sha256}",
        f"perceus.size={image.size}",
        *_root_args(image),
        *(f"perceus.overlay={url}" for url in archives),
        *([f"perceus.overlay_sha256={overlay}"] if overlay else []),
        f"perceus.report={config.report_url}",
        f"BOOTIF=01-{mac.replace(':', '-')}",
        f"ip={node.address}::{own.ip}:{own.netmask}:{node.name}::none",
        f"systemd.hostname={node.name}",
        f"systemd.machine_id={node.machine_id}",
        f"console={registry.effective_console(node, default=config.console).value}",
        *of_image.split(),
        *(argument for added in registry.added_kernel_args(node, config) for argument in added.value.split()),
    ]
    return " ".join(arguments)


def _root_args(image: Image) -> list[str]:
    """Return what makes the image the root in another mode than the usual one."""
    if image.root_mode == "ram":
        return ["perceus.root=ram", f"perceus.unpacked={image.unpacked}"]
    return []
