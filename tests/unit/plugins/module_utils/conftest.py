# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig, parse_config

from tests.cluster import cluster_settings


@pytest.fixture(scope="session")
def config() -> ClusterConfig:
    """A cluster with room for four nodes."""
    settings = cluster_settings(
        Path("/"),
        address="10.17.5.1/24",
        node_range="10.17.5.101-10.17.5.104",
        discovery_range="10.17.5.20-10.17.5.90",
        console="ttyS0,115200",
        kernel_args="from=cluster",
        leases="/leases",
        reports="/reports",
        state_dir="/state",
    )
    return parse_config(json.dumps(settings))
