# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node

Write = Callable[..., Path]

NODE = Node(
    name="n101",
    macs=("52:54:00:00:00:01",),
    address=IPv4Address("10.17.5.101"),
    group="compute",
    enabled=True,
    machine_id="0" * 32,
    adopted="2030-01-01T00:00:00Z",
)


@pytest.fixture(scope="session")
def node() -> Node:
    return NODE


@pytest.fixture
def cluster(config: ClusterConfig, tmp_path: Path) -> ClusterConfig:
    """The cluster in a folder of its own."""
    return replace(config, state_dir=tmp_path)


@pytest.fixture
def write(cluster: ClusterConfig) -> Write:
    """Called with ``OVERLAY/PART/NAME`` and a content, writes a file of an overlay."""

    def write(name: str, content: str | bytes = "", *, mode: int = 0o644) -> Path:
        path = cluster.overlays / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return write
