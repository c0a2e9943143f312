# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories with which Ansible sees the lab: its master from the scenario's folder, its nodes live."""

from __future__ import annotations

from pathlib import Path

from lab.settings import Lab

MASTER = Path(__file__).parents[1] / "cluster" / "inventory" / "hosts.yml"

NODES = """\
plugin: perceus.cluster.leases
config: {root}/etc/perceus/cluster.json
leases: {root}/var/lib/misc/dnsmasq.leases
registry: {root}/var/lib/perceus/nodes.json
reports: {root}/var/log/perceus/reports.log
store: {root}/var/lib/perceus/vnfs
"""


def nodes(lab: Lab) -> Path:
    """The inventory source of the nodes; its group variables are the master's."""
    return lab.folder / "lab.perceus.yml"


def configure(lab: Lab) -> None:
    """Point the live inventory at the master's files, which the host sees below the master's root."""
    nodes(lab).write_text(NODES.format(root=lab.root))
