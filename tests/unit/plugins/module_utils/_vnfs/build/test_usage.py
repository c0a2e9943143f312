# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import save_registry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.usage import load_running

from tests.cluster import cluster_settings

MAC, ADDRESS = "52:54:00:00:00:01", "10.17.5.101"
BOOTED, SYNCED = "0" * 16, "1" * 16


def line(stage: str, generation: str, detail: str = "") -> str:
    fields = {"time": "2030-01-01T00:00:00+00:00", "address": ADDRESS, "stage": stage, "mac": MAC}
    return json.dumps({**fields, "generation": generation, "boot": "0-1", "detail": detail, "hostkey": ""}) + "\n"


def test_a_node_uses_what_it_runs_and_what_it_has_over_nfs(tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(cluster_settings(tmp_path)))
    config = load_config(file)
    config.state_dir.mkdir()
    node = Node("n101", (MAC,), IPv4Address(ADDRESS), "compute", True, "0" * 32, "2030-01-01T00:00:00Z")
    save_registry(config.registry, Registry({}, (node,)))
    assert load_running(file) == {}
    config.reports.write_text(line("ready", BOOTED) + line("livesync", SYNCED))
    assert load_running(file) == {SYNCED: ("n101",)}
    config.reports.with_name("heartbeats.log").write_text(line("heartbeat", SYNCED, BOOTED))
    assert load_running(file) == {BOOTED: ("n101",), SYNCED: ("n101",)}


def test_a_host_that_is_no_master_has_no_nodes(tmp_path: Path) -> None:
    assert load_running(tmp_path / "cluster.json") == {}
