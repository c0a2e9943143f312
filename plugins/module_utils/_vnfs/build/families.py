# SPDX-License-Identifier: GPL-3.0-or-later
"""Families of distributions: what a node needs of each, and how packages get into a tree by its own means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..._errors import PerceusError
from ..report.packages import Installed, load_installed
from ..work.sandbox import Sandbox


@dataclass(frozen=True)
class Family:
    """``base_packages`` is what every node needs: systemd and its network, ssh, the tools of its own units, what makes
    its initramfs, and Python with its door to the package manager, so that any Ansible role works in the tree and on
    the node. ``install`` are command lines; that which ends in ``--`` gets the packages.
    """

    base_packages: tuple[str, ...] = ()
    kernel_package: str = ""
    install: tuple[tuple[str, ...], ...] = ()


DEBIAN = Family(
    base_packages=(
        "systemd-sysv",
        "systemd-resolved",
        "udev",
        "dbus",
        "openssh-server",
        "iproute2",
        "curl",
        "ca-certificates",
        "rsync",
        "dracut",
        "zstd",
        "tar",
        "acl",
        "python3-apt",
    ),
    kernel_package="linux-image-amd64",
    install=(
        ("apt-get", "--quiet", "update"),
        ("apt-get", "--quiet", "--yes", "--no-install-recommends", "install", "--"),
        ("apt-get", "clean"),
    ),
)
UBUNTU = replace(DEBIAN, kernel_package="linux-generic")
ENTERPRISE = Family(
    base_packages=(
        "systemd",
        "systemd-networkd",  # of EPEL
        "systemd-resolved",
        "systemd-udev",
        "dbus",
        "openssh-server",
        "iproute",
        "curl",
        "ca-certificates",
        "rsync",
        "dracut",
        "zstd",
        "tar",
        "acl",
        "shadow-utils",
        "glibc-minimal-langpack",
        "dnf",
        "python3-dnf",
    ),
    kernel_package="kernel",
    install=(
        ("dnf", "--quiet", "--assumeyes", "--setopt=install_weak_deps=False", "install", "--"),
        ("dnf", "--quiet", "clean", "all"),
    ),
)
UNKNOWN = Family()

DISTRIBUTIONS = {"debian": DEBIAN, "ubuntu": UBUNTU, "linuxmint": UBUNTU}  # by the ID of os-release(5)
_KINDS = {"deb": DEBIAN, "rpm": ENTERPRISE}


def find_family(installed: Installed) -> Family:
    """Return the family of a tree with these packages; :data:`UNKNOWN` when it has no package database."""
    return DISTRIBUTIONS.get(installed.distribution.name, _KINDS.get(installed.kind, UNKNOWN))


def load_family(sandbox: Sandbox) -> Family:
    """Return the family of the tree in a sandbox."""
    return find_family(load_installed(sandbox.rootfs, runner=sandbox.runner))


def install_inside(sandbox: Sandbox, packages: Sequence[str]) -> None:
    """Have the tree's own package manager install those of ``packages`` that are not there."""
    if not packages:
        return
    installed = load_installed(sandbox.rootfs, runner=sandbox.runner)
    there = {package.name for package in installed.packages}
    missing = [package for package in packages if package.partition(":")[0] not in there]
    if not missing:
        return
    family = find_family(installed)
    if not family.install:
        raise PerceusError(
            f"Cannot install {', '.join(missing)}: the tree has neither dpkg's nor rpm's database",
            hint="Bring the programs in by another way, and ask for no packages",
        )
    for argv in family.install:
        sandbox((*argv, *missing) if argv[-1] == "--" else argv)
