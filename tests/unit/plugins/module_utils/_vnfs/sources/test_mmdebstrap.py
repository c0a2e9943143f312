# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import (
    Mmdebstrap,
    build_mmdebstrap_argv,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.order import Order
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

SOURCE = Mmdebstrap(suite="trixie")


def test_the_command_line() -> None:
    argv = build_mmdebstrap_argv(
        SOURCE, Path("/new/rootfs"), packages=("udev", "sudo"), sources=["deb http://m/ trixie main"]
    )
    assert argv == [
        *("mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase", "--include=udev,sudo"),
        *("--skip=cleanup/apt/lists", "--", "trixie", "/new/rootfs", "deb http://m/ trixie main"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "--hook=reboot"},
        {"suite": ""},
        {"mirror": "deb http://x y z"},
        {"mirror": "ftp://x/"},
        {"components": ("main]",)},
        {"variant": "custom"},
        {"distribution": "gentoo"},
        {"keyring": "ring.gpg"},
        {"keyring": "/a]b"},
        {"extra_sources": ("http://m/",)},
        {"extra_sources": ("deb http://m/ x\ndeb http://n/ x",)},
        {"setup_hooks": ("",)},
        {"customize_hooks": ("a\0b",)},
    ],
)
def test_hostile_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match="Cannot use"):
        replace(SOURCE, **change)


def test_hooks_run_in_their_order() -> None:
    source = replace(SOURCE, customize_hooks=('echo a > "$1/a"', "b"), setup_hooks=("copy-in /x /",))
    argv = build_mmdebstrap_argv(source, Path("/t"), packages=(), sources=())
    assert [word for word in argv if "-hook=" in word] == [
        "--setup-hook=copy-in /x /",
        '--customize-hook=echo a > "$1/a"',
        "--customize-hook=b",
    ]
    assert argv.index("--customize-hook=b") < argv.index("--")


@pytest.mark.parametrize(
    ("distribution", "kernel"),
    [("debian", "linux-image-amd64"), ("ubuntu", "linux-generic"), ("linuxmint", "linux-generic")],
)
def test_the_kernel_is_the_distributions(distribution: str, kernel: str) -> None:
    assert replace(SOURCE, distribution=distribution).kernel_package == kernel


def test_a_new_vnfs_of_ubuntu_has_its_components() -> None:
    assert Mmdebstrap.propose({"distribution": "ubuntu"})["components"] == ("main", "universe")
    assert Mmdebstrap.propose({"distribution": "debian"})["components"] == ("main",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mirror": "http://m/"}, r"the master has no keyring '/usr/share/keyrings/linuxmint-archive-keyring\.gpg'"),
        ({"keyring": "/nonexistent.gpg", "mirror": "http://m/"}, r"the master has no keyring '/nonexistent\.gpg'"),
        ({"keyring": "/etc/passwd"}, "the master's own sources are those of"),
    ],
)
def test_another_distribution_needs_its_keyring_and_mirror(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    source = replace(SOURCE, distribution="linuxmint", **change)
    order = Order(Vnfs(tmp_path), (), None, CommandRunner(), Phases())
    with pytest.raises(PerceusError, match=f"Cannot build linuxmint trixie: {reason}"):
        source.make_tree(tmp_path / "rootfs", order)
