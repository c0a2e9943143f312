# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a Debian tree with mmdebstrap(1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .._process import Runner
from .apt import Source, load_distribution, load_sources, render_sources
from .recipe import Recipe
from .sandbox import ENVIRONMENT, MortalRunner

# What every node needs: systemd and its network, ssh, the tools of its own units, and what makes its initramfs.
BASE_PACKAGES = (
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
)


def build_tree(recipe: Recipe, target: Path, *, runner: Runner) -> None:
    """Make the recipe's tree at ``target``, which must not exist."""
    distribution = load_distribution()
    if recipe.mirror:
        sources = [Source(recipe.mirror, recipe.suite)]
    else:
        sources = load_sources(recipe.suite, distribution=distribution, runner=runner)
    lines = render_sources(sources, components=recipe.components, keyring=distribution.keyring)
    MortalRunner(runner)(build_mmdebstrap_argv(recipe, target, sources=lines), env={"INITRD": ENVIRONMENT["INITRD"]})


def build_mmdebstrap_argv(recipe: Recipe, target: Path, *, sources: Sequence[str]) -> list[str]:
    """Return the command line; ``sources`` are lines of sources.list(5)."""
    packages = dict.fromkeys((*BASE_PACKAGES, recipe.kernel_package, *recipe.packages))
    return [
        "mmdebstrap",
        "--mode=root",
        "--format=directory",
        f"--variant={recipe.variant}",
        f"--include={','.join(packages)}",
        "--skip=cleanup/apt/lists",  # so that apt-get install works in the tree at once; images do without them
        "--",
        recipe.suite,
        str(target),
        *sources,
    ]
