# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for a host key, and what the master's ssh is told."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from ansible_collections.perceus.cluster.plugins.module_utils._config import parse_config
from ansible_collections.perceus.cluster.plugins.module_utils._master.hostkeys import render_known_hosts
from ansible_collections.perceus.cluster.plugins.module_utils._master.identity import last_ready
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._reports import Report

from tests.cluster import cluster_settings

NODE = Node(
    "n101", ("52:54:00:00:00:01",), IPv4Address("10.17.5.101"), "compute", True, "0" * 32, "2030-01-01T00:00:00Z"
)
REGISTRY = Registry({}, (NODE,))
READY = Report("", NODE.address, "ready", NODE.macs[0], "1" * 16, "boot-a", "", "AAAA")


def waiting(*reports: Report) -> dict[str, str]:
    return {name: report.boot for name, report in last_ready(reports, REGISTRY).items()}


def test_a_node_waits_from_its_ready_report_on() -> None:
    assert waiting(replace(READY, stage="pivot", hostkey="")) == {}
    assert waiting(READY) == {"n101": "boot-a"}
    assert waiting(READY, replace(READY, stage="livesync", hostkey="")) == {"n101": "boot-a"}


def test_a_node_that_boots_again_waits_no_more_until_it_is_ready_again() -> None:
    again = replace(READY, stage="fetch", boot="boot-b", hostkey="")
    assert waiting(READY, again) == {}
    assert waiting(READY, again, replace(READY, boot="boot-b")) == {"n101": "boot-b"}


def test_nobody_speaks_for_a_node_but_its_own_address() -> None:
    assert waiting(replace(READY, address=IPv4Address("10.17.5.102"))) == {}
    assert waiting(replace(READY, mac="52:54:00:00:00:09")) == {}


def test_a_report_without_boot_or_key_is_no_reason_to_log_in() -> None:
    assert waiting(replace(READY, boot="")) == {}
    assert waiting(replace(READY, hostkey="")) == {}


def test_known_hosts_has_each_of_a_nodes_names_and_who_signs_for_the_clusters() -> None:
    config = parse_config(json.dumps(cluster_settings(Path("/nowhere"))))
    assert render_known_hosts({NODE: "ssh-ed25519 AAAA n101\n"}, "ssh-ed25519 CCCC authority\n", config) == (
        "@cert-authority *.cluster.internal,n??? ssh-ed25519 CCCC\n"
        "n101,n101.cluster.internal,10.17.5.101 ssh-ed25519 AAAA\n"
    )
