# SPDX-License-Identifier: GPL-3.0-or-later
"""The master's root file system as a fresh Debian machine has it: made once from a recipe, then copied for each lab."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import folders, process
from lab.cgroup import Cgroup
from lab.errors import LabError

PACKAGES = (
    "ca-certificates", "dbus", "iproute2", "openssh-server", "python3", "python3-apt",
    "systemd", "systemd-sysv", "udev",
)  # fmt: skip
MASKED_UNITS = ("run-rpc_pipefs.mount",)  # fails where the host's kernel has no sunrpc
APT_ACCESS = ("Acquire::Check-Date", "Acquire::Check-Valid-Until", "Acquire::http", "Acquire::https")


@dataclass(frozen=True)
class Recipe:
    """All that shapes the tree, beside the code of this file."""

    release: str
    sources: str
    apt_settings: str
    packages: tuple[str, ...] = PACKAGES
    masked_units: tuple[str, ...] = MASKED_UNITS

    @classmethod
    def of_this_host(cls) -> Recipe:
        """The host's own Debian release, from where the host itself gets its packages."""
        sources = process.run(
            ["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"]
            + ["Created-By: Packages", "Origin: Debian"]
        )
        if not sources:
            raise LabError(
                "Cannot find Debian among this host's package sources: run 'apt-get update' on a Debian host"
            )
        settings = process.run(["apt-config", "dump", "--format", '%f "%v";%n', *APT_ACCESS])
        return cls(platform.freedesktop_os_release()["VERSION_CODENAME"], sources, settings)

    @property
    def key(self) -> str:
        content = json.dumps(asdict(self), sort_keys=True).encode() + Path(__file__).read_bytes()
        return hashlib.sha256(content).hexdigest()[:16]


def cached(recipe: Recipe, cache: Path, *, cgroup: Cgroup) -> Path:
    """Return the tree of a recipe, made first, in ``cgroup``, when the cache has none. The caller holds the lock."""
    tree = cache / f"master-{recipe.key}"
    if not tree.is_dir():
        beside = cache / "building"
        folders.remove(beside)
        _build(recipe, beside, cgroup)
        beside.rename(tree)
        for older in cache.glob("master-*"):
            if older != tree:
                folders.remove(older)
    return tree


def copy(tree: Path, root: Path) -> None:
    """Copy a tree beside, then give it its name."""
    beside = root.with_name(f"{root.name}.copying")
    folders.remove(beside)
    process.run(["cp", "--archive", "--reflink=auto", "--", str(tree), str(beside)], timeout=300)
    beside.rename(root)


def _build(recipe: Recipe, tree: Path, cgroup: Cgroup) -> None:
    tree.mkdir(parents=True)
    sources = tree.with_name("sources.list")
    sources.write_text(recipe.sources)
    bootstrap = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(recipe.packages)}"]
    process.run(
        # A mount namespace of its own: a kill leaves none of its mounts below the tree.
        ["unshare", "--mount", "--", *bootstrap, recipe.release, str(tree), str(sources)],
        timeout=900,
        cgroup=cgroup,
    )
    (tree / "etc/apt/apt.conf.d/60lab").write_text(
        recipe.apt_settings + 'Binary::apt::APT::Keep-Downloaded-Packages "true";\n'
    )
    for unit in recipe.masked_units:
        (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
    os.utime(tree / "var/lib/apt/lists", (0, 0))  # empty: whoever asks their age shall see that they are not of today
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
