# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that is broken, full, large, or wanted by many at once."""

from __future__ import annotations

import json
import time

import pytest

from .conftest import Cluster, mac


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text.replace('"n102"', '"N102"'), "line 11: Cannot name a node 'N102'"),
        (lambda text: text.replace('"n102"', '"n101"'), "line 11: name n101 belongs to node 'n101' already"),
        (lambda text: text.replace(mac(2), mac(1)), f"line 11: MAC {mac(1)} belongs to node 'n101' already"),
        (lambda text: text.replace("5.102", "5.101"), "line 11: address 10.17.5.101 belongs to node 'n101' already"),
        (lambda text: text.replace('"viz": {}', '"viz": {"vnfs": 7}'), "line 4: 'vnfs' of group 'viz' cannot be 7"),
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: text[:-3], "not JSON"),
        (lambda text: text.replace('"version": 2', '"version": 3'), "version 3 is newer than 2"),
        (lambda _text: "", "line 1: not JSON"),
        (lambda _text: "\0" * 4096, "line 1: not JSON"),
    ],
    ids=["name", "name twice", "MAC twice", "address twice", "group", "half", "cut", "newer", "empty", "NULs"],
)
def test_a_broken_registry_is_named_and_left_alone(three: Cluster, damage: object, reason: str) -> None:
    assert callable(damage)
    file = three.config.registry
    file.write_text(damage(file.read_text()))
    three.config.reports.write_text("")
    for module, options in (
        ("node", {"name": "n103", "vnfs": "debian"}),
        ("node", {"name": "*", "state": "absent"}),
        ("node_group", {"name": "viz", "vnfs": "debian"}),
        ("node_mask", {"macs": [mac(9)]}),
        ("node_info", {}),
    ):
        said = three.refuse(module, **options)
        assert said.startswith(f"Cannot read registry {str(file)!r}")
        assert reason in said


def test_ten_writers_at_once_lose_nothing(three: Cluster) -> None:
    """Of each kind of change some, and a reconciler that adopts machines meanwhile."""
    end = int(time.time()) + 3600
    three.config.leases.write_text(
        "".join(f"{end} {mac(64 + number)} 10.17.64.{number} * *\n" for number in range(1, 6))
    )
    writers = [
        *(three.start("node", macs=[mac(32 + number)], description=f"writer {number}") for number in range(5)),
        three.start("node", name="n101", vnfs="rocky-9"),
        three.start("node", name="n102", state="absent"),
        three.start("node", name="n103", state="renamed", new_name="stunt"),
        three.start("node_group", name="viz", kernel_args="quiet"),
        three.start("node_mask", macs=["52:54:00:00:00:66"]),
    ]
    adopted = three.reconcile()
    for writer in writers:
        with writer:
            output, _ = writer.communicate(timeout=60)
        assert not json.loads(output).get("failed"), output
    three.reconcile()
    registry = three.registry
    assert registry.by_name["n101"].vnfs == "rocky-9"
    assert registry.by_name["stunt"].macs == (mac(3),)
    assert registry.groups["viz"].kernel_args == "quiet"
    assert list(registry.masked) == ["52:54:00:00:00:66"]
    assert mac(2) not in registry.by_mac
    new = {node.description or node.name for node in registry.nodes if node.name not in ("n101", "stunt")}
    assert {f"writer {number}" for number in range(5)} <= new
    assert {mac(64 + number) for number in range(1, 6)} <= registry.by_mac.keys()
    assert len(registry.nodes) == 12
    assert adopted


def test_a_range_that_is_full_says_so_and_a_gap_is_filled(cluster: Cluster) -> None:
    cluster.do("node", nodes=[{"macs": [mac(number)]} for number in range(150)])
    assert "node_range 10.17.5.101-10.17.5.250 has no free number" in cluster.refuse("node", macs=[mac(999)])
    cluster.do("node", name="n177", state="absent")
    assert cluster.do("node", macs=[mac(999)])["added"] == ["n177"]


def test_ten_thousand_nodes_are_declared_in_one_call(cluster: Cluster) -> None:
    settings = json.loads(cluster.config_file.read_text())
    settings.update(node_range="10.17.100.0-10.17.200.0", node_name="n#####", node_first=10000)
    cluster.config_file.write_text(json.dumps(settings))
    nodes = [{"name": f"n{10000 + number}", "macs": [mac(number)]} for number in range(10_000)]
    began = time.monotonic()
    assert len(cluster.do("node", nodes=nodes, state="declared")["added"]) == 10_000
    assert not cluster.do("node", nodes=nodes, state="declared")["changed"]
    assert cluster.do("node", name="n1*5", vnfs="rocky-9")["updated"][0] == "n10005"
    assert time.monotonic() - began < 60
    lines = cluster.config.registry.read_text().splitlines()
    assert len([line for line in lines if line.startswith('{"name"')]) == 10_000
