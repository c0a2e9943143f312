# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine that is no node does meanwhile: what its console says, and how often it looks whether it is one."""

from __future__ import annotations

from .._config import ClusterConfig


def describe_waiting(config: ClusterConfig, *, mac: str) -> tuple[str, int]:
    """Return what is said and after how many seconds it is tried again; ``mac`` is the boot loader's word for its own.

    Adoption takes two seconds, an operator longer.
    """
    approve = f"ansible-playbook perceus.cluster.nodes_add -e mac={mac}"
    return {
        "adopt": (f"{mac} is not a node yet, waiting for the master to adopt it", 1),
        "quarantine": (f"{mac} is not a node and waits for approval: {approve}", 5),
        "off": (f"{mac} is not a node and the master adopts none: {approve}", 5),
    }[config.adoption]
