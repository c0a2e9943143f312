# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import (
    Mmdebstrap,
    build_mmdebstrap_argv,
)

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
    ],
)
def test_hostile_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match="Cannot use"):
        replace(SOURCE, **change)
