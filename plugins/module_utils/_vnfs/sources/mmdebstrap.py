# SPDX-License-Identifier: GPL-3.0-or-later
"""A new tree of Debian or a distribution made from it, by mmdebstrap(1)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..._errors import PerceusError
from ..build.apt import Distribution, load_distribution, load_sources, render_sources
from ..build.apt import Source as Archive
from ..build.families import DISTRIBUTIONS
from ..recipe.check import NAME, WORD, check
from ..work.sandbox import ENVIRONMENT, MortalRunner, Sandbox
from .base import Source
from .order import Order

VARIANTS = ("apt", "minbase", "buildd", "important", "standard")  # those that have apt
COMPONENTS = {"ubuntu": ("main", "universe")}  # where dracut is not in main
HOOKS = ("setup", "extract", "essential", "customize")

_MIRROR = re.compile(r"(?:https?|file|copy)[:]/[A-Za-z0-9./:%~_+-]+", re.ASCII)
_LINE = re.compile(r"deb(?:-src)? [^\x00-\x1f\x7f]+")
_COMMAND = re.compile(r"[^\x00]+")


@dataclass(frozen=True)
class Mmdebstrap(Source):
    """``mirror`` is an archive's URI, None for the master's own sources with ``suite`` in the place of their suite;
    ``keyring`` is a file on the master, None for the distribution's own; ``extra_sources`` are lines of
    sources.list(5); the hooks are commands of a shell, in which ``$1`` is the tree.
    """

    type: ClassVar[str] = "mmdebstrap"
    installs_packages: ClassVar[bool] = True

    suite: str
    distribution: str = "debian"
    mirror: str | None = None
    keyring: str | None = None
    components: tuple[str, ...] = ("main",)
    variant: str = "minbase"
    extra_sources: tuple[str, ...] = ()
    setup_hooks: tuple[str, ...] = ()
    extract_hooks: tuple[str, ...] = ()
    essential_hooks: tuple[str, ...] = ()
    customize_hooks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("suite", self.suite, WORD)
        check("distribution", self.distribution, re.compile("|".join(DISTRIBUTIONS)))
        check("variant", self.variant, re.compile("|".join(VARIANTS)))
        if self.mirror is not None:
            check("mirror", self.mirror, _MIRROR)
        if self.keyring is not None:
            check("keyring", self.keyring, NAME)
        for component in self.components:
            check("component", component, WORD)
        for line in self.extra_sources:
            check("extra source", line, _LINE)
        for stage in HOOKS:
            for command in self.hooks(stage):
                check(f"{stage} hook", command, _COMMAND)

    def hooks(self, stage: str) -> tuple[str, ...]:
        """Return the commands of one of :data:`HOOKS`."""
        commands: tuple[str, ...] = getattr(self, f"{stage}_hooks")
        return commands

    @property
    def base_packages(self) -> tuple[str, ...]:
        return DISTRIBUTIONS[self.distribution].base_packages

    @property
    def kernel_package(self) -> str:
        return DISTRIBUTIONS[self.distribution].kernel_package

    @classmethod
    def propose(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """The master's own distribution and suite, if it is one of those that this can make."""
        own = load_distribution()
        name = said.get("distribution") or (own.name if own.name in DISTRIBUTIONS else "debian")
        suite = {"suite": own.codename} if name == own.name else {}
        return {"distribution": name, "components": COMPONENTS.get(name, ("main",)), **suite}

    def make_tree(self, target: Path, order: Order) -> None:
        master = load_distribution()
        keyring = self._find_keyring(master)
        if self.mirror:
            archives = [Archive(self.mirror, self.suite)]
        elif self.distribution == master.name:
            archives = load_sources(self.suite, distribution=master, runner=order.runner)
        else:
            raise PerceusError(
                f"Cannot build {self.distribution} {self.suite}: the master's own sources are those of {master.name}",
                hint="Name a mirror of it",
            )
        lines = [*render_sources(archives, components=self.components, keyring=keyring), *self.extra_sources]
        argv = build_mmdebstrap_argv(self, target, packages=order.packages, sources=lines)
        own = {"INITRD": ENVIRONMENT["INITRD"], "TMPDIR": str(target.parent)}  # which goes with whatever it leaves
        MortalRunner(order.runner)(argv, env={**own, **order.environment})
        if self.keyring:  # apt in the tree looks for it under the same name
            install = ("install", "-D", "-m", "0644", "/dev/stdin", self.keyring)
            Sandbox(target, order.runner)(install, stdin=keyring.read_bytes())

    def _find_keyring(self, master: Distribution) -> Path:
        """Return the keyring that signs the archive. Of its own distribution a master may have none and trust it so."""
        keyring = Path(self.keyring) if self.keyring else Distribution(self.distribution, "").keyring
        if not os.path.exists(keyring) and (self.keyring or self.distribution != master.name):
            raise PerceusError(
                f"Cannot build {self.distribution} {self.suite}: the master has no keyring {str(keyring)!r}",
                hint=f"Install the package {self.distribution}-keyring, or name a keyring",
            )
        return keyring


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
        *(f"--{stage}-hook={command}" for stage in HOOKS for command in source.hooks(stage)),
        "--",
        source.suite,
        str(target),
        *sources,
    ]
