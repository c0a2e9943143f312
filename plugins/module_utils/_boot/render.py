# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that follows from registry, configuration and images, as files by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Registry
from . import grub, ipxe
from .booting import Booting
from .dnsmasq import DHCP_HOSTS, DNS_HOSTS, render_dhcp_hosts, render_dns_hosts
from .images import Image


class Loader(Protocol):
    """A boot loader: the scripts of nodes, in its own words."""

    def render_boot(self, boot: Booting, image: Image) -> str: ...
    def render_installed(self, boot: Booting, image: Image) -> str: ...
    def render_local(self, boot: Booting) -> str: ...
    def render_memtest(self, boot: Booting) -> str: ...
    def render_shell(self, boot: Booting) -> str: ...
    def render_wait(self, boot: Booting, why: str) -> str: ...


@dataclass(frozen=True)
class BootFiles:
    """Contents by name of the three folders, see "Paths on the master" in docs/architecture.md; and why nodes, by
    name, cannot be given what they are to boot.
    """

    boot: dict[str, str]
    grub: dict[str, str]
    dnsmasq: dict[str, str]
    problems: dict[str, PerceusError]


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
    for_ipxe = {ipxe.START: ipxe.render_start(config), ipxe.DEFAULT: ipxe.render_default(config)}
    for_grub = {grub.CONFIG: grub.render_start(config)}
    loaders: tuple[Loader, ...] = (ipxe, grub)
    problems: dict[str, PerceusError] = {}
    for node in registry.nodes:
        overlay = overlays.get(node.name)
        for mac in node.macs:
            boot = Booting(node, mac, registry, config, overlay if isinstance(overlay, str) else None)
            try:
                scripts = [_render_script(loader, boot, images, overlay) for loader in loaders]
            except PerceusError as error:
                problems[node.name] = error
                why = "its boot script cannot be made, see the journal of the master"
                scripts = [loader.render_wait(boot, why) for loader in loaders]
            for_ipxe[ipxe.script_name(mac)], for_grub[grub.script_name(mac)] = scripts
    lent_to = registry.nodes if config.dhcp_mode == "server" else ()
    dnsmasq = {
        DHCP_HOSTS: render_dhcp_hosts(lent_to, registry.masked_macs(config), lease_time=config.lease_time),
        DNS_HOSTS: render_dns_hosts(registry.nodes, domain=config.domain),
    }
    return BootFiles(for_ipxe, for_grub, dnsmasq, problems)


def _render_script(
    loader: Loader,
    boot: Booting,
    images: Mapping[str, Image | PerceusError | None],
    overlay: str | PerceusError | None,
) -> str:
    if not boot.node.enabled:
        return loader.render_wait(boot, "it is disabled")
    target = boot.registry.effective_boot(boot.node).value
    if target == "local":
        return loader.render_local(boot)
    if target == "memtest":
        return loader.render_memtest(boot)
    if target == "shell":
        return loader.render_shell(boot)
    return _render_image(loader, boot, images, overlay, on_disk=target == "disk")


def _render_image(
    loader: Loader,
    boot: Booting,
    images: Mapping[str, Image | PerceusError | None],
    overlay: str | PerceusError | None,
    *,
    on_disk: bool,
) -> str:
    vnfs = boot.registry.effective_vnfs(boot.node, default=boot.config.default_vnfs).value
    image = images[vnfs]
    if image is None:
        return loader.render_wait(boot, f"VNFS {vnfs} has no published image")
    if isinstance(image, PerceusError):
        return loader.render_wait(boot, f"the image of VNFS {vnfs} is broken, see the journal of the master")
    if isinstance(overlay, PerceusError):
        return loader.render_wait(boot, "its overlays cannot be used, see the journal of the master")
    if image.root_mode == "disk" and boot.node.installed and not boot.node.reinstall:
        return loader.render_installed(boot, image)
    if image.root_mode != "disk" and on_disk:
        return loader.render_wait(boot, f"VNFS {vnfs} is none that is installed on disks")
    return loader.render_boot(boot, image)
