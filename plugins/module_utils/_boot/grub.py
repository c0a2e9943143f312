# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's configuration, for firmware that insists on signatures (Secure Boot): one file for all, one for each MAC.

shim loads the distribution's signed GRUB, which fetches by TFTP alone and has no script longer than one file:
``grub.cfg`` reads the machine's own file again and again, so it follows what the master decides. There is no arithmetic
and neither ``&&`` nor ``||``; a command that fails says so and the script goes on.
"""

from __future__ import annotations

import re

from .._config import ClusterConfig
from .booting import Booting
from .images import INITRAMFS, KERNEL, Image
from .links import link_name
from .unknown import describe_waiting

CONFIG = "grub.cfg"
LOADER = "grubx64.efi"  # what shim loads from the folder that it is in
_PATIENCE = 90  # seconds that a machine that is no node looks for its file; it is lent its address for two minutes
_ON_DISK = "/EFI/BOOT/BOOTX64.EFI"  # where firmware looks on a disk that it knows nothing of
_SERIAL = re.compile(r"ttyS(\d)(?:,(\d+))?", re.ASCII)


def script_name(mac: str) -> str:
    """Return the name of the file for this MAC, as GRUB's ``net_default_mac`` spells it."""
    return f"{mac}.cfg"


def render_start(config: ClusterConfig) -> str:
    """Return what every machine reads first.

    A machine that is no node starts anew before its address is lent to another: GRUB does not renew it. iPXE, which
    does, is not handed over to where signatures are not insisted on: loaded by GRUB, it hangs.
    """
    what, seconds = describe_waiting(config, mac="$net_default_mac")
    return _lines(
        *_speak_on(config.console),
        "tries=",
        "leave=",
        'while [ -z "$leave" ]; do',
        "  node=",
        f"  source {_on_master('/grub/$net_default_mac.cfg', config)}",
        '  if [ -z "$node" ]; then',
        f'    if [ "$tries" = {"x" * (_PATIENCE // seconds)} ]; then reboot; fi',
        '    tries="x$tries"',
        f'    echo "perceus: {what}"',
        f"    sleep {seconds}",
        "  fi",
        "done",
    )


def render_boot(boot: Booting, image: Image) -> str:
    """Return the file with which a node boots ``image``."""
    return _script(boot, *_speak_on(boot.console), *_boot_image(boot, image))


def render_installed(boot: Booting, image: Image) -> str:
    """Return the file of a node that is installed on its disk; if that is gone, its first stage says so."""
    return _script(
        boot,
        *_speak_on(boot.console),
        f"echo 'perceus: {boot.name} boots from its own disk'",
        *_boot_disk(),
        "echo 'perceus: cannot boot from it; looking at it'",
        *_boot_image(boot, image),
    )


def _boot_disk() -> tuple[str, ...]:
    """What boots the first disk that has a loader where firmware looks, and falls through if it cannot."""
    return (
        f"if search --no-floppy --file --set=disk {_ON_DISK}; then",
        f"  if chainloader ($disk){_ON_DISK}; then boot; fi",
        "fi",
    )


def _boot_image(boot: Booting, image: Image) -> tuple[str, ...]:
    kernel, initramfs = (_on_master(f"/kernels/{link_name(image, file)}", boot.config) for file in (KERNEL, INITRAMFS))
    arguments = " ".join(f"'{argument}'" for argument in boot.kernel_args(image).split())
    return (
        f"echo 'perceus: {boot.name} boots VNFS {image.vnfs}, generation {image.generation}'",
        f"if linux {kernel} {arguments}; then",
        f"  if initrd {initramfs}; then boot; fi",
        "fi",
        "echo 'perceus: cannot boot; trying again'",
        "sleep 5",
    )


def render_local(boot: Booting) -> str:
    """Return the file of a node that boots from its first disk; without a loader there, the firmware goes on."""
    return _script(
        boot,
        f"echo 'perceus: {boot.name} boots from its own disk'",
        *_boot_disk(),
        "exit",
    )


def render_memtest(boot: Booting) -> str:
    """Return the file of a node that is to test its memory, by a program that nobody signed."""
    return render_wait(boot, "it is given what is signed only, and memtest is not")


def render_shell(boot: Booting) -> str:
    """Return the file of a node that gives whoever stands before it GRUB's command line."""
    return _script(boot, f"echo 'perceus: {boot.name} is to give you a shell of GRUB'", "leave=y")


def render_wait(boot: Booting, why: str) -> str:
    """Return the file of a node that cannot or shall not boot now; ``why`` is said on its console."""
    return _script(boot, f"echo 'perceus: {boot.name} does not boot: {why}'", "sleep 10")


def _script(boot: Booting, *commands: str) -> str:
    return _lines(f"node={boot.name}", *commands)


def _lines(*commands: str) -> str:
    return "\n".join((*commands, ""))


def _on_master(path: str, config: ClusterConfig) -> str:
    """GRUB's word for a file; beside another DHCP server the firmware may have been told of that one only."""
    return f"(tftp,{config.address.ip}){path}"


def _speak_on(console: str) -> tuple[str, ...]:
    """Have GRUB speak on the serial line that the kernel will speak on; anything else is the firmware's business."""
    line = _SERIAL.match(console)
    if line is None:
        return ()
    return (f"if serial --unit={line[1]} --speed={line[2] or 9600}; then terminal_output serial; fi",)
