# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's command line of a node: who it is, what it boots, and where it says so."""

from __future__ import annotations

import zlib

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Node, Registry
from .image_servers import choose_servers
from .images import ROOT, Image

# Characters. Kernels cut off what is beyond 2,047 without a word, and boot loaders put theirs before it.
LONGEST = 1900


def render_kernel_args(
    node: Node, image: Image, registry: Registry, config: ClusterConfig, *, mac: str, overlay: str | None
) -> str:
    """Return the arguments with which ``node`` boots ``image`` through the interface ``mac``.

    ``overlay`` is the SHA-256 of the archive of its overlays. What has a URL is there once for each image server, the
    one to ask first before the others. ``BOOTIF`` is PXELINUX's form, hardware type first;
    ``ip`` is that of dracut.cmdline(7). What administrators added comes last, the most particular at the end, since the
    last of two equal arguments wins. Raises :class:`PerceusError` when they are more than a kernel takes.
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
        *_root_args(node, image, config),
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
    line = " ".join(arguments)
    if len(line) > LONGEST:
        raise PerceusError(
            f"Cannot boot node {node.name!r}: its kernel arguments have {len(line)} characters, of at most {LONGEST}",
            hint="Shorten the kernel_args of its VNFS, of the cluster, its group, or its own",
        )
    return line


def _root_args(node: Node, image: Image, config: ClusterConfig) -> list[str]:
    """Return what makes the image the root in another way than the usual one."""
    return [
        *([f"perceus.root={image.root_mode}"] if image.root_mode != "overlay" else []),
        *([f"perceus.unpacked={image.unpacked}"] if image.root_mode in ("ram", "disk") else []),
        *([f"perceus.hybrid={image.hybrid}"] if image.hybrid else []),
        *(_nfs_args(node, config) if image.over_nfs else []),
        *(_disk_args(node, image) if image.root_mode == "disk" else []),
    ]


def _disk_args(node: Node, image: Image) -> list[str]:
    """Return which disk is meant, how it is divided, and the token, if the node is to be installed anew."""
    disk = image.disk_for(group=node.group, node=node.name)
    return [*disk.kernel_args, *([f"perceus.reinstall={node.reinstall}"] if node.reinstall else [])]


def _nfs_args(node: Node, config: ClusterConfig) -> list[str]:
    """Return the servers in the order in which a node asks them, each node beginning with another, and by what the
    servers know it: they take clients of one name for one, and no machine has a name yet when it mounts its root.
    """
    servers = list(config.nfs_servers or [f"{config.address.ip}:{config.nfs}"])
    first = zlib.crc32(node.name.encode()) % len(servers)
    ordered = servers[first:] + servers[:first]
    return [*(f"perceus.nfs={server}" for server in ordered), f"nfs.nfs4_unique_id={node.machine_id}"]
