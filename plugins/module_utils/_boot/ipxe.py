# SPDX-License-Identifier: GPL-3.0-or-later
"""iPXE scripts: static files, one for each MAC of a node, and two for everybody.

Each ends in a loop that asks the master again, so a machine follows what the master decides without being switched off.
``chain --replace`` ends the running script, so that loops do not pile up in memory.
"""

from __future__ import annotations

from .._config import ClusterConfig
from .._nodes.registry import Node, Registry
from .images import INITRAMFS, KERNEL, Image
from .kernel_args import render_kernel_args

START, DEFAULT = "start.ipxe", "default.ipxe"
_OWN_SCRIPT = "${netX/mac:hexhyp}.ipxe"  # netX is the interface that iPXE itself was loaded through
# Only the log of boots reads the query. iPXE leaves an & in a value as it is: what must not be forged stands first.
_HARDWARE = "mac=${netX/mac}&uuid=${uuid}" + "".join(
    f"&{setting}=${{{setting}:uristring}}" for setting in ("serial", "manufacturer", "product")
)
_RENEWAL = 60  # seconds; a machine that is no node is lent its address for two minutes
_APPROVE = "ansible-playbook perceus.cluster.nodes_add -e mac=${netX/mac}"
# What is said on the console under each policy, and how often it is seen whether it came true, in seconds.
_WAITING = {
    "adopt": ("yet, waiting for the master to adopt it", 1),
    "quarantine": (f"and waits for approval: {_APPROVE}", 5),
    "off": (f"and the master adopts none: {_APPROVE}", 5),
}


def script_name(mac: str) -> str:
    """Return the name of the script for this MAC, as iPXE's ``hexhyp`` spells it."""
    return f"{mac.replace(':', '-')}.ipxe"


def render_start(config: ClusterConfig) -> str:
    """Return the script that every machine runs first: its own, else the default."""
    return _script(
        f"chain --replace --autofree {config.boot_url(_OWN_SCRIPT)}?{_HARDWARE} ||",
        f"chain --replace --autofree {config.boot_url(DEFAULT)} ||",
        *_try_again(config.boot_url(START), seconds=5),
    )


def render_default(config: ClusterConfig) -> str:
    """Return the script of machines that are not registered: wait until they are, and keep the lease meanwhile."""
    what, seconds = _WAITING[config.adoption]
    return _script(
        "set tries:int32 0",
        ":again",
        f"echo perceus: ${{netX/mac}} is not a node {what}",
        f"sleep {seconds}",
        f"chain --replace --autofree {config.boot_url(_OWN_SCRIPT)} ||",
        "inc tries",
        f"iseq ${{tries}} {_RENEWAL // seconds} || goto again",
        "dhcp netX ||",
        f"chain --replace --autofree {config.boot_url(START)} || goto again",
    )


def render_boot(
    node: Node, image: Image, registry: Registry, config: ClusterConfig, *, mac: str, overlay: str | None
) -> str:
    """Return the script with which ``node`` boots ``image``, with the archive ``overlay`` unpacked over it."""
    kernel = config.image_url(image.vnfs, image.generation, KERNEL)
    initramfs = config.image_url(image.vnfs, image.generation, INITRAMFS)
    arguments = render_kernel_args(node, image, registry, config, mac=mac, overlay=overlay)
    return _script(
        f"echo perceus: {node.name} boots VNFS {image.vnfs}, generation {image.generation}",
        "imgfree",
        f"kernel {kernel} initrd={INITRAMFS} {arguments} || goto failed",
        f"initrd {initramfs} || goto failed",
        "boot || goto failed",
        ":failed",
        "echo perceus: cannot boot; trying again",
        *_try_again(config.boot_url(script_name(mac)), seconds=5),
    )


def render_local(node: Node, config: ClusterConfig, *, mac: str) -> str:
    """Return the script of a node that boots from its first disk: UEFI firmware goes on to it by itself."""
    return _script(
        f"echo perceus: {node.name} boots from its own disk",
        "iseq ${platform} efi && exit ||",
        "sanboot --no-describe --drive 0x80 || echo perceus: cannot boot from it; trying again",
        *_try_again(config.boot_url(script_name(mac)), seconds=5),
    )


def render_shell(node: Node, config: ClusterConfig, *, mac: str) -> str:
    """Return the script of a node that gives whoever stands before it iPXE's shell; ``exit`` leaves it."""
    return _script(
        f"echo perceus: {node.name} is to give you a shell of iPXE",
        "shell ||",
        *_try_again(config.boot_url(script_name(mac)), seconds=5),
    )


def render_wait(node: Node, why: str, config: ClusterConfig, *, mac: str) -> str:
    """Return the script of a node that cannot or shall not boot now; ``why`` is said on its console."""
    return _script(
        f"echo perceus: {node.name} does not boot: {why}",
        *_try_again(config.boot_url(script_name(mac)), seconds=10),
    )


def _script(*commands: str) -> str:
    return "\n".join(("#!ipxe", *commands, ""))


def _try_again(url: str, *, seconds: int) -> tuple[str, ...]:
    return (":again", f"sleep {seconds}", f"chain --replace --autofree {url} || goto again")
