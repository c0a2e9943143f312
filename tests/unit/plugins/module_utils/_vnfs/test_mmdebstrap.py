# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.mmdebstrap import (
    BASE_PACKAGES,
    build_mmdebstrap_argv,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe import Recipe

RECIPE = Recipe(
    suite="trixie",
    mirror=None,
    components=("main",),
    variant="minbase",
    kernel_package="linux-image-amd64",
    packages=("sudo", "curl"),
    authorized_keys=(),
    root_password_hash=None,
    node_files="0" * 64,
)


def test_the_command_line() -> None:
    packages = ",".join([*BASE_PACKAGES, "linux-image-amd64", "sudo"])  # curl is among the base already
    assert build_mmdebstrap_argv(RECIPE, Path("/new/rootfs"), sources=["deb http://m/ trixie main"]) == [
        *("mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase", f"--include={packages}"),
        *("--skip=cleanup/apt/lists", "--", "trixie", "/new/rootfs", "deb http://m/ trixie main"),
    ]
