# SPDX-License-Identifier: GPL-3.0-or-later
"""iPXE scripts: static files, one for each MAC of a node, and two for everybody.

Each ends in a loop that asks the master again, so a machine follows what the master decides without being switched off.
``chain --replace`` ends the running script, so that loops do not pile up in memory.
"""

from __future__ import annotations

from .._config import ClusterConfig
from .booting import Booting
from .images import INITRAMFS, KERNEL, Image
from .unknown import describe_waiting

START, DEFAULT = "start.ipxe", "default.ipxe"
_OWN_SCRIPT = "${netX/mac:hexhyp}.ipxe"  # netX is the interface that iPXE itself was loaded through
# Only the log of boots reads the query. iPXE leaves an & in a value as it is: what must not be forged stands first.
_HARDWARE = "mac=${netX/mac}&uuid=${uuid}" + "".join(
    f"&{setting}=${{{setting}:uristring}}" for setting in ("serial", "manufacturer", "product")
)
_RENEWAL = 60  # seconds; a machine that is no node is lent its address for two minutes


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
    what, seconds = describe_waiting(config, mac="${netX/mac}")
    return _script(
        "set tries:int32 0",
        ":again",
        f"echo perceus: {what}",
        f"sleep {seconds}",
        f"chain --replace --autofree {config.boot_url(_OWN_SCRIPT)} ||",
        "inc tries",
        f"iseq ${{tries}} {_RENEWAL // seconds} || goto again",
        "dhcp netX ||",
        f"chain --replace --autofree {config.boot_url(START)} || goto again",
    )


def render_boot(boot: Booting, image: Image) -> str:
    """Return the script with which a node boots ``image``."""
    return _script(*_boot_image(boot, image))


def render_installed(boot: Booting, image: Image) -> str:
    """Return the script of a node that is installed on its disk; if that is gone, its first stage says so."""
    return _script(
        f"echo perceus: {boot.name} boots from its own disk",
        *_boot_disk(boot),
        "echo perceus: cannot boot from it; looking at it",
        *_boot_image(boot, image),
    )


def _boot_disk(boot: Booting) -> tuple[str, ...]:
    """What boots the first disk, for UEFI the first that has a loader where firmware looks; falls through if it cannot.

    UEFI firmware itself would try all its other ways to boot from the network first.
    """
    return (
        f"iseq ${{platform}} efi && chain --autofree {boot.config.loader_url('local.efi')} ||",
        "iseq ${platform} efi || sanboot --no-describe --drive 0x80 ||",
    )


def _boot_image(boot: Booting, image: Image) -> tuple[str, ...]:
    kernel = boot.config.image_url(image.vnfs, image.generation, KERNEL)
    initramfs = boot.config.image_url(image.vnfs, image.generation, INITRAMFS)
    return (
        f"echo perceus: {boot.name} boots VNFS {image.vnfs}, generation {image.generation}",
        "imgfree",
        f"kernel {kernel} initrd={INITRAMFS} {boot.kernel_args(image)} || goto failed",
        f"initrd {initramfs} || goto failed",
        "boot || goto failed",
        ":failed",
        "echo perceus: cannot boot; trying again",
        *_try_own_again(boot),
    )


def render_local(boot: Booting) -> str:
    """Return the script of a node that boots from its first disk, or what UEFI firmware has next if there is none."""
    return _script(
        f"echo perceus: {boot.name} boots from its own disk",
        *_boot_disk(boot),
        "iseq ${platform} efi && exit 1 ||",
        "echo perceus: cannot boot from it; trying again",
        *_try_own_again(boot),
    )


def render_memtest(boot: Booting) -> str:
    """Return the script of a node that tests its memory, if the master has the program."""
    console = f" console={boot.console}" if boot.console.startswith("ttyS") else ""
    return _script(
        f"echo perceus: {boot.name} tests its memory",
        "imgfree",
        "iseq ${platform} efi && set memtest memtest.efi || set memtest memtest.bin",
        f"kernel {boot.config.loader_url('${memtest}')}{console} || goto missing",
        "boot ||",
        ":missing",
        "echo perceus: cannot test it; does the master have boot_server_memtest set?",
        *_try_own_again(boot, seconds=10),
    )


def render_shell(boot: Booting) -> str:
    """Return the script of a node that gives whoever stands before it iPXE's shell; ``exit`` leaves it."""
    return _script(
        f"echo perceus: {boot.name} is to give you a shell of iPXE",
        "shell ||",
        *_try_own_again(boot),
    )


def render_wait(boot: Booting, why: str) -> str:
    """Return the script of a node that cannot or shall not boot now; ``why`` is said on its console."""
    return _script(
        f"echo perceus: {boot.name} does not boot: {why}",
        *_try_own_again(boot, seconds=10),
    )


def _script(*commands: str) -> str:
    return "\n".join(("#!ipxe", *commands, ""))


def _try_again(url: str, *, seconds: int) -> tuple[str, ...]:
    return (":again", f"sleep {seconds}", f"chain --replace --autofree {url} || goto again")


def _try_own_again(boot: Booting, *, seconds: int = 5) -> tuple[str, ...]:
    return _try_again(boot.config.boot_url(script_name(boot.mac)), seconds=seconds)
