# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a cluster, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def cluster_settings(folder: Path, **others: Any) -> dict[str, Any]:
    """Return what ``cluster.json`` says of a cluster whose files are in ``folder``, with ``others`` than usual."""
    return {
        "version": 1,
        "interface": "eth1",
        "address": "10.17.0.1/16",
        "domain": "cluster.internal",
        "node_range": "10.17.5.101-10.17.5.250",
        "discovery_range": "10.17.64.1-10.17.80.250",
        "node_name": "n###",
        "node_first": 101,
        "default_group": "compute",
        "default_vnfs": "debian",
        "adoption": "adopt",
        "dhcp_mode": "server",
        "masked_macs": [],
        "image_servers": [],
        "nfs_servers": [],
        "console": "tty0",
        "kernel_args": "",
        "lease_time": 43200,
        "node_timeout": 600,
        "leases": f"{folder}/leases",
        "reports": f"{folder}/reports.log",
        "state_dir": f"{folder}/state",
        **others,
    }
