# SPDX-License-Identifier: GPL-3.0-or-later
"""A new tree of Debian or a distribution made from it, by mmdebstrap(1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..apt import Source, load_distribution, load_sources, render_sources
from ..check import WORD, check
from ..sandbox import ENVIRONMENT, MortalRunner
from .order import Order

VARIANTS = ("apt", "minbase", "buildd", "important", "standard")  # those that have apt

_MIRROR = re.compile(r"(?:https?|file|copy)[:]/[A-Za-z0-9./:@%~_+-]+", re.ASCII)


@dataclass(frozen=True)
class Mmdebstrap:
    """``mirror`` is an archive's URI, None for the master's own sources with ``suite`` in the place of their suite."""

    type: ClassVar[str] = "mmdebstrap"
    installs_packages: ClassVar[bool] = True
    # What every node needs: systemd and its network, ssh, the tools of its own units, what makes its initramfs, and
    # Python with its door to apt, so that any Ansible role works in the tree and on the node.
    base_packages: ClassVar[tuple[str, ...]] = (
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
        "acl",
        "python3-apt",
    )
    kernel_package: ClassVar[str] = "linux-image-amd64"

    suite: str
    mirror: str | None = None
    components: tuple[str, ...] = ("main",)
    variant: str = "minbase"

    def __post_init__(self) -> None:
        check("suite", self.suite, WORD)
        check("variant", self.variant, re.compile("|".join(VARIANTS)))
        if self.mirror is not None:
            check("mirror", self.mirror, _MIRROR)
        for component in self.components:
            check("component", component, WORD)

    @classmethod
    def propose(cls) -> dict[str, Any]:
        """Return what a new VNFS has where nothing is said: the master's own suite."""
        return {"suite": load_distribution().codename}

    def make_tree(self, target: Path, order: Order) -> None:
        """Make the tree at ``target``, which must not exist."""
        distribution = load_distribution()
        if self.mirror:
            sources = [Source(self.mirror, self.suite)]
        else:
            sources = load_sources(self.suite, distribution=distribution, runner=order.runner)
        lines = render_sources(sources, components=self.components, keyring=distribution.keyring)
        environment = {"INITRD": ENVIRONMENT["INITRD"]}
        if order.epoch is not None:
            environment["SOURCE_DATE_EPOCH"] = str(order.epoch)
        argv = build_mmdebstrap_argv(self, target, packages=order.packages, sources=lines)
        MortalRunner(order.runner)(argv, env=environment)


def build_mmdebstrap_argv(
    source: Mmdebstrap, target: Path, *, packages: Sequence[str], sources: Sequence[str]
) -> list[str]:
    """Return the command line; ``sources`` are lines of sources.list(5)."""
    return [
        "mmdebstrap",
        "--mode=root",
        "--format=directory",
        f"--variant={source.variant}",
        f"--include={','.join(packages)}",
        "--skip=cleanup/apt/lists",  # so that apt-get install works in the tree at once; images do without them
        "--",
        source.suite,
        str(target),
        *sources,
    ]
