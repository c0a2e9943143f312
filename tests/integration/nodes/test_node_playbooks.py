# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of nodes and groups, run by ansible-playbook where the test's configuration is the master's."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.integration.test_node_import import AS_MASTER

from .conftest import Cluster, mac

MASTER = (
    "perceus_master: {hosts: {localhost: {ansible_connection: local, ansible_python_interpreter: /usr/bin/python3}}}"
)
APPLIED = """
groups:
  - {name: compute, vnfs: rocky-9}
  - {name: gpu, kernel_args: nomodeset}
nodes:
  - {name: n101, macs: ["52:54:00:00:00:01"]}
  - {name: n104, macs: ["52:54:00:00:00:04"], variables: {rack: 7}}
  - {name: "n10*", description: declared}
  - {name: n104, group: gpu}
"""


def play(cluster: Cluster, playbook: str, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    inventory = cluster.config_file.with_name("hosts.yml")
    inventory.write_text(MASTER)
    book = ("ansible-playbook", "-i", str(inventory), f"perceus.cluster.{playbook}", *arguments)
    extra = ("-e", json.dumps({"ansible_become": False, **variables}))
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", AS_MASTER, "sh", str(cluster.config_file), *book, *extra],
        cwd=inventory.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def changed(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether any task changed something; the playbook must have ended well."""
    assert done.returncode == 0, done.stdout
    return "changed=0" not in done.stdout


@pytest.fixture
def reported(three: Cluster) -> Cluster:
    three.config.reports.write_text("")
    return three


def test_the_session_of_an_operator(reported: Cluster) -> None:
    """Summary, groups, VNFSs, adding, replacing, renaming, masks, deleting: section 11 of the site's own report."""
    assert "n103      viz" in re.sub(" +", "      ", play(reported, "nodes_summary").stdout)
    assert changed(play(reported, "nodes_set", nodes="n[102-103]", set={"group": "debian7"}))
    assert "Say which nodes" in play(reported, "nodes_set", nodes="n102").stdout
    assert changed(play(reported, "groups_set", group="debian7", set={"vnfs": "rocky-9"}))
    assert not changed(play(reported, "groups_set", group="debian7", set={"vnfs": "rocky-9"}))
    status = play(reported, "nodes_status", nodes="@debian7").stdout
    assert re.search(r"n102 +debian7 +yes +rocky-9 +group", status)
    assert "n101" not in status
    assert changed(play(reported, "nodes_add", mac=f"{mac(4)}, {mac(5)}", node="stunt"))
    assert "nodes_replace" in play(reported, "nodes_add", mac=mac(6), node="n101").stdout
    assert changed(play(reported, "nodes_replace", old="n101", new="stunt"))
    assert reported.registry.by_name["n101"].macs == (mac(4), mac(5))
    assert changed(play(reported, "nodes_rename", node="n101", to="stunt"))
    assert changed(play(reported, "nodes_mask", "-e", "reason='the storage'", mac=f"{mac(1)}, {mac(9)}"))
    assert reported.registry.masked == {mac(1): "the storage", mac(9): "the storage"}
    assert changed(play(reported, "nodes_mask", mac=f"{mac(1)},{mac(9)}", mask=False))
    assert changed(play(reported, "groups_delete", group="debian7", move_to="compute"))
    assert re.search(r"compute +debian +default .* n102, n103, stunt", play(reported, "groups_list").stdout)


def test_the_status_of_a_node_has_its_last_boot_and_whether_it_fell_silent(reported: Cluster) -> None:
    script = {"time": "2026-01-01T00:00:01+00:00", "address": "10.17.5.101", "mac": mac(1), "uuid": ""}
    hardware = {"manufacturer": "", "product": "", "serial": ""}
    reported.config.boots.write_text(json.dumps({**script, **hardware}) + "\n")
    stages = {"fetch": 13, "retry": 15, "verified": 20, "pivot": 21, "ready": 29}
    said = {"address": "10.17.5.101", "mac": mac(1), "generation": "ab" * 8, "boot": "1", "detail": "", "hostkey": ""}
    reported.config.reports.write_text(
        "".join(
            json.dumps({"time": f"2026-01-01T00:00:{second}+00:00", **said, "stage": stage}) + "\n"
            for stage, second in stages.items()
        )
    )
    node = reported.do("node_info")["nodes"][0]
    assert (node["state"], node["reported"]) == ("timed_out", "2026-01-01T00:00:29+00:00")
    assert [boot["seconds"] for boot in node["boots"]] == [28]
    assert node["boots"][0]["stages"]["verified"]["after"] == 19
    status = play(reported, "nodes_status").stdout
    assert re.search(r"n101 +timed_out +2026-01-01T00:00:29", status)
    assert re.search(rf"n101 +2026-01-01T00:00:01\+00:00 +{'ab' * 8} +0 +12 +19 +20 +28 +1 +-", status)


def test_nothing_is_deleted_unless_it_is_confirmed(reported: Cluster) -> None:
    asked = play(reported, "nodes_delete", nodes="n[102-103]")
    assert asked.returncode != 0
    assert "52:54:00:00:00:03" in asked.stdout
    assert "Nothing is deleted yet. Say that this is right with -e confirm=yes" in asked.stdout
    assert "Say which nodes to delete" in play(reported, "nodes_delete", nodes="", confirm=True).stdout
    assert "no node matches n109" in play(reported, "nodes_delete", nodes="n109", confirm=True).stdout
    assert changed(play(reported, "nodes_delete", "--check", nodes="n[102-103]"))
    assert len(reported.registry.nodes) == 3
    assert changed(play(reported, "nodes_delete", nodes="n[102-103]", confirm=True))
    assert list(reported.registry.by_name) == ["n101"]
    assert "perceus-reconcile.service" in reported.config_file.with_name("systemctl").read_text()


def test_a_file_is_applied_as_a_whole_when_it_is_confirmed(reported: Cluster) -> None:
    file = reported.config_file.with_name("nodes.yml")
    file.write_text(APPLIED)
    asked = play(reported, "nodes_apply", file="nodes.yml")
    assert "Nothing is changed yet. Say that this is right with -e confirm=yes" in asked.stdout
    assert re.search(r"groups_changed.*nomodeset.*groups_removed.*viz", asked.stdout, re.DOTALL)
    assert list(reported.registry.by_name) == ["n101", "n102", "n103"]
    assert changed(play(reported, "nodes_apply", "--check", "--diff", file=str(file)))
    assert changed(play(reported, "nodes_apply", file=str(file), confirm=True))
    registry = reported.registry
    assert {node.name: (node.group, node.description) for node in registry.nodes} == {
        "n101": ("compute", "declared"),
        "n104": ("gpu", "declared"),
    }
    assert {name: (group.vnfs, group.kernel_args) for name, group in registry.groups.items()} == {
        "compute": ("rocky-9", ""),
        "gpu": (None, "nomodeset"),
    }
    assert not changed(play(reported, "nodes_apply", file=str(file), confirm=True))
    reported.do("node", name="n101", kernel_args="by-hand")
    assert changed(play(reported, "nodes_apply", file=str(file), confirm=True))
    assert reported.registry == registry


@pytest.mark.parametrize(
    "text",
    ["", "groups: []", "groups: []\nnodes:\n", "groups: []\nnode: []", "groups: []\nnodes: {}", APPLIED + "node: []"],
    ids=["empty", "no nodes", "nothing as nodes", "misspelt", "no list", "misspelt beside"],
)
def test_a_file_that_does_not_have_groups_and_nodes_is_not_applied(reported: Cluster, text: str) -> None:
    reported.config_file.with_name("nodes.yml").write_text(text)
    refused = play(reported, "nodes_apply", file="nodes.yml", confirm=True)
    assert "The file nodes.yml must have 'groups' and 'nodes', two lists, and nothing else" in refused.stdout
    assert len(reported.registry.nodes) == 3
