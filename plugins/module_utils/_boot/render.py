# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that follows from registry, configuration and images, as files by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Node, Registry
from .dnsmasq import DHCP_HOSTS, DNS_HOSTS, render_dhcp_hosts, render_dns_hosts
from .images import Image
from .ipxe import (
    DEFAULT,
    START,
    render_boot,
    render_default,
    render_local,
    render_shell,
    render_start,
    render_wait,
    script_name,
)


@dataclass(frozen=True)
class BootFiles:
    """Contents by name of the two folders; see "Paths on the master" in docs/architecture.md."""

    boot: dict[str, str]
    dnsmasq: dict[str, str]


def render_boot_files(
    registry: Registry,
    config: ClusterConfig,
    images: Mapping[str, Image | PerceusError | None],
    overlays: Mapping[str, str | PerceusError],
) -> BootFiles:
    """Return the files of all nodes.

    ``images`` has the image of each VNFS in use: None where none was published, the error where it cannot be booted.
    ``overlays`` has the SHA-256 of the archive of each node that gets one, the error where it cannot be made.
    """
    boot = {START: render_start(config), DEFAULT: render_default(config)}
    for node in registry.nodes:
        for mac in node.macs:
            boot[script_name(mac)] = _render_script(node, registry, config, images, overlays.get(node.name), mac=mac)
    lent_to = registry.nodes if config.dhcp_mode == "server" else ()
    dnsmasq = {
        DHCP_HOSTS: render_dhcp_hosts(lent_to, registry.masked_macs(config), lease_time=config.lease_time),
        DNS_HOSTS: render_dns_hosts(registry.nodes, domain=config.domain),
    }
    return BootFiles(boot, dnsmasq)


def _render_script(
    node: Node,
    registry: Registry,
    config: ClusterConfig,
    images: Mapping[str, Image | PerceusError | None],
    overlay: str | PerceusError | None,
    *,
    mac: str,
) -> str:
    if not node.enabled:
        return render_wait(node, "it is disabled", config, mac=mac)
    boot = registry.effective_boot(node).value
    if boot == "local":
        return render_local(node, config, mac=mac)
    if boot == "shell":
        return render_shell(node, config, mac=mac)
    if boot != "image":
        return render_wait(node, f"this master has nothing to boot for {boot}", config, mac=mac)
    vnfs = registry.effective_vnfs(node, default=config.default_vnfs).value
    image = images[vnfs]
    if image is None:
        return render_wait(node, f"VNFS {vnfs} has no published image", config, mac=mac)
    if isinstance(image, PerceusError):
        return render_wait(node, f"the image of VNFS {vnfs} is broken, see the journal of the master", config, mac=mac)
    if isinstance(overlay, PerceusError):
        return render_wait(node, "its overlays cannot be used, see the journal of the master", config, mac=mac)
    return render_boot(node, image, registry, config, mac=mac, overlay=overlay)
