# SPDX-License-Identifier: GPL-3.0-or-later
"""A new tree of the Enterprise Linux family, by the master's own dnf(8)."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ..._errors import PerceusError
from ..._process import Runner
from ..build.families import ENTERPRISE
from ..recipe.check import check
from ..work.sandbox import ENVIRONMENT, MortalRunner, Sandbox
from .base import Source
from .order import Order

OLDEST = 9  # the rpm of older releases cannot read the database that the master's writes
MOVED = 10  # the release in which the database moved
# What the file system package finds there; while packages are installed, all but the last is the sandbox's own.
FOLDERS = {"dev": 0o755, "proc": 0o555, "run": 0o755, "tmp": 0o1777, "sys": 0o555}

_RELEASE = re.compile(r"[1-9][0-9]?(?:\.[0-9]{1,2})?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_URL = re.compile(r"(?:https?|file)[:]/[A-Za-z0-9./:%~_+$-]+", re.ASCII)


@dataclass(frozen=True)
class Repository:
    """A repository of packages. ``baseurl`` may have dnf's ``$releasever`` and ``$basearch``; ``gpgkey`` is the URL of
    the key that signs the packages, which there must be unless they are not checked.
    """

    name: str
    baseurl: str
    gpgkey: str | None = None
    gpgcheck: bool = True

    def __post_init__(self) -> None:
        check("repository name", self.name, _NAME)
        check("baseurl", self.baseurl, _URL)
        if self.gpgkey is not None:
            check("gpgkey", self.gpgkey, _URL)
        elif self.gpgcheck:
            raise PerceusError(
                f"Cannot use repository {self.name!r}: it has no gpgkey to check packages by",
                hint="Give it one, or set gpgcheck to false",
            )


@dataclass(frozen=True)
class Dnf(Source):
    """``release`` is the distribution's, such as ``9``."""

    type: ClassVar[str] = "dnf"
    installs_packages: ClassVar[bool] = True

    release: str
    repositories: tuple[Repository, ...] = field(metadata={"of": Repository})

    def __post_init__(self) -> None:
        check("release", self.release, _RELEASE)
        if self.major < OLDEST:
            raise PerceusError(f"Cannot build release {self.release!r}: {OLDEST} is the oldest that can be built here")
        if not self.repositories:
            raise PerceusError("Cannot build a tree by dnf: there are no repositories", hint="Name one")

    @property
    def major(self) -> int:
        return int(self.release.partition(".")[0])

    @property
    def base_packages(self) -> tuple[str, ...]:
        return ENTERPRISE.base_packages

    @property
    def kernel_package(self) -> str:
        return ENTERPRISE.kernel_package

    def make_tree(self, target: Path, order: Order) -> None:
        target.mkdir(mode=0o755)
        for name, mode in FOLDERS.items():
            (target / name).mkdir()
            (target / name).chmod(mode)
        self._install(target, order.packages, runner=order.runner, environment=order.environment)

    def add_packages(self, sandbox: Sandbox, packages: Sequence[str]) -> None:
        """Install from the repositories that the tree came from, of which it does not know itself."""
        self._install(sandbox.rootfs, packages, runner=sandbox.runner, environment={})

    def _install(self, rootfs: Path, packages: Sequence[str], *, runner: Runner, environment: dict[str, str]) -> None:
        own = [word for name in ("run", "tmp") for word in ("--tmpfs", f"{rootfs}/{name}")]
        mounts = ("--dev", f"{rootfs}/dev", "--proc", f"{rootfs}/proc", *own)
        with tempfile.TemporaryDirectory(prefix=".tmp.", dir=rootfs.parent) as name:
            folder = Path(name)
            (folder / "dnf.conf").write_text(render_configuration(self, folder))
            (folder / ".rpmmacros").write_text(render_macros(self))
            MortalRunner(runner, mounts)(
                build_dnf_argv(self, rootfs, packages=packages, folder=folder),
                env={
                    "HOME": name,
                    "KERNEL_INSTALL_BYPASS": ENVIRONMENT["KERNEL_INSTALL_BYPASS"],
                    **environment,
                },
            )


def render_configuration(source: Dnf, folder: Path) -> str:
    """Return dnf.conf(5) with nothing of the master's; ``folder`` is for what dnf keeps while it runs.

    Packages of a module are packages like any other.
    """
    main = {
        "reposdir": folder / "none",
        "varsdir": folder / "none",
        "pluginconfpath": folder / "none",
        "plugins": 0,
        "install_weak_deps": 0,
        "module_platform_id": f"platform:el{source.major}",
    }
    sections = [("main", main)]
    for repository in source.repositories:
        options = {"name": repository.name, "baseurl": repository.baseurl, "module_hotfixes": 1}
        options["gpgcheck"] = int(repository.gpgcheck)
        if repository.gpgkey:
            options["gpgkey"] = repository.gpgkey
        sections.append((repository.name, options))
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items()) for name, options in sections
    )


def render_macros(source: Dnf) -> str:
    """Return what the master's rpm must know of the tree's: where its database is, and of which kind."""
    database = "/usr/lib/sysimage/rpm" if source.major >= MOVED else "/var/lib/rpm"
    return f"%_dbpath {database}\n%_db_backend sqlite\n"


def build_dnf_argv(source: Dnf, rootfs: Path, *, packages: Sequence[str], folder: Path) -> list[str]:
    """Return the command line; ``folder`` holds the configuration."""
    return [
        *("dnf", f"--config={folder}/dnf.conf", f"--installroot={rootfs}", f"--releasever={source.release}"),
        *("--assumeyes", "--quiet", "install", "--", *packages),
    ]
