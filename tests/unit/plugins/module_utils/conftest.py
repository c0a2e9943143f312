# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig, parse_config


@pytest.fixture(scope="session")
def config() -> ClusterConfig:
    """A cluster with room for four nodes."""
    return parse_config(
        json.dumps(
            {
                "version": 1,
                "interface": "eth1",
                "address": "10.17.5.1/24",
                "domain": "cluster.internal",
                "node_range": "10.17.5.101-10.17.5.104",
                "discovery_range": "10.17.5.20-10.17.5.90",
                "node_name": "n###",
                "node_first": 101,
                "default_group": "compute",
                "default_vnfs": "debian",
                "adoption": "adopt",
                "dhcp_mode": "server",
                "masked_macs": [],
                "console": "ttyS0,115200",
                "kernel_args": "from=cluster",
                "lease_time": 43200,
                "node_timeout": 600,
                "leases": "/leases",
                "reports": "/reports",
                "state_dir": "/state",
            }
        )
    )
