# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to boot one tree over the network: ours, and what others do, all served by our master's nginx.

What a way needs beside the tree's kernel is made as its own documentation says: the whole root as an initramfs, the
initramfs of Debian's live-boot(7) and that of dracut's livenet (dracut.cmdline(7)); the latter two from trees of their
own, as initramfs-tools and dracut cannot be in one, with the squashfs that we serve.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.settings import Lab, Machine
from lab.tree import Recipe

URL = "http://10.17.5.1/vnfs"
GENERATION = "0" * 16
STORE = "var/lib/perceus/vnfs"
OURS = f"{STORE}/debian/current"
KERNEL, INITRAMFS, IMAGE = "vmlinuz", "initramfs.img", "rootfs.squashfs"
SCRIPT = """\
#!ipxe
kernel {folder}/vmlinuz initrd=initramfs.img {arguments} console=ttyS0,115200
initrd {folder}/initramfs.img
boot
"""
# What a root that nobody configured before needs, in order to have the address with which it was booted.
NETWORK = "[Match]\nType=ether\n[Network]\nDHCP=ipv4\n[DHCPv4]\nClientIdentifier=mac\n"
LIVE_BOOT = ("live-boot", "live-boot-initramfs-tools", "busybox", "zstd")
LIVENET = (
    *("dracut", "dracut-live", "dracut-network", "isc-dhcp-client", "iproute2", "procps"),
    *("systemd-sysv", "udev", "dbus", "curl", "zstd"),
)
DRACUT = """
hostonly=no
hostonly_cmdline=no
add_dracutmodules+=" livenet network-legacy "
omit_dracutmodules+=" systemd-networkd "
"""


@dataclass(frozen=True)
class Way:
    """A way to boot. ``enough`` is the RAM, in MiB, from which on the search for the smallest starts."""

    name: str
    enough: int
    script_for: Callable[[Machine], str]


def make_ways(lab: Lab, kernel_package: str) -> list[Way]:
    """Make them all for the VNFS that the lab's master has published, ours first."""
    scripts = {machine: boot_script(lab, machine).read_text() for machine in lab.machines}
    return [
        Way("ours", 272, scripts.__getitem__),
        _other(lab, "cpio", 1088, "", _pack_root),
        _other(
            lab, "live-boot", 320, f"boot=live fetch={URL}/live-boot/{GENERATION}/{IMAGE}",
            lambda folder: _bootstrap(lab, folder, (kernel_package, *LIVE_BOOT)),
        ),
        _other(
            lab, "livenet", 384,
            f"root=live:{URL}/livenet/{GENERATION}/{IMAGE} rd.live.image rd.live.overlay.overlayfs=1 ip=dhcp"
            " rd.neednet=1",
            lambda folder: _bootstrap(lab, folder, (kernel_package, *LIVENET), dracut=DRACUT),
        ),
    ]  # fmt: skip


def boot_script(lab: Lab, machine: Machine) -> Path:
    return lab.root / f"var/lib/perceus/boot/{machine.mac.replace(':', '-')}.ipxe"


def _other(lab: Lab, name: str, enough: int, arguments: str, make_initramfs: Callable[[Path], None]) -> Way:
    """Put kernel, image and initramfs where nginx has those of a VNFS."""
    folder = lab.root / STORE / name / "images" / GENERATION
    if not folder.exists():
        folder.mkdir(parents=True)
        for file in (KERNEL, IMAGE):
            os.link((lab.root / OURS).resolve() / file, folder / file)
        make_initramfs(folder)
        (folder / INITRAMFS).chmod(0o644)
    script = SCRIPT.format(folder=f"{URL}/{name}/{GENERATION}", arguments=arguments)
    return Way(name, enough, lambda _machine: script)


def _pack_root(folder: Path) -> None:
    """Make an initramfs that is the root, as Perceus and Warewulf did."""
    tree = folder / "tree"
    process.run(["unsquashfs", "-quiet", "-no-progress", "-dest", str(tree), str(folder / IMAGE)], timeout=300)
    (tree / "init").symlink_to("sbin/init")
    (tree / "etc/systemd/network/70-boot.network").write_text(NETWORK)
    script = f"find . | cpio --quiet -o -H newc | zstd --quiet -3 -T0 > ../{INITRAMFS}"
    subprocess.run(["sh", "-c", script], cwd=tree, check=True)
    process.run(["rm", "-r", str(tree)])


def _bootstrap(lab: Lab, folder: Path, packages: tuple[str, ...], *, dracut: str = "") -> None:
    """Take the initramfs that a kernel's installation makes in a tree with these packages and settings of dracut."""
    recipe = Recipe.of_this_host()
    sources = lab.folder / "sources.list"
    sources.write_text(recipe.sources)
    settings = lab.folder / "dracut.conf"
    settings.write_text(dracut)
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=null", f"--include={','.join(packages)}"]
    argv += [f'--essential-hook=install -D -m 0644 {settings} "$1/etc/dracut.conf.d/bench.conf"']
    argv += [f'--customize-hook=cp "$1"/boot/initrd.img-* {folder / INITRAMFS}']
    argv += [recipe.release, "/dev/null", str(sources)]
    # A mount namespace of its own: a kill leaves none of its mounts.
    process.run(["unshare", "--mount", "--", *argv], timeout=1200, cgroup=lab.part("build"))
