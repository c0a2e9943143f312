# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import (
    EMPTY,
    Effective,
    Group,
    Node,
    Registry,
    load_registry,
    parse_registry,
    render_registry,
    save_registry,
)
from hypothesis import given
from hypothesis import strategies as st

TEXT = """\
{"format": "perceus-nodes", "version": 1,
"groups": {"compute": {"vnfs": "debian"}, "spare": {}},
"nodes": [
{"name": "n9", "macs": ["52:54:00:00:00:09"], "address": "10.17.5.9", "group": "compute", "enabled": true, \
"machine_id": "00000000000000000000000000000009", "adopted": "2030-01-01T00:00:00Z"},
{"name": "n10", "macs": ["52:54:00:00:00:10", "52:54:00:00:01:10"], "address": "10.17.5.10", "group": "spare", \
"enabled": false, "machine_id": "00000000000000000000000000000010", "adopted": "2030-01-01T00:00:00Z", \
"vnfs": "rocky-9", "kernel_args": "quiet"}
]}
"""
N9 = Node(
    name="n9",
    macs=("52:54:00:00:00:09",),
    address=IPv4Address("10.17.5.9"),
    group="compute",
    enabled=True,
    machine_id="0" * 31 + "9",
    adopted="2030-01-01T00:00:00Z",
)


def test_the_text_is_one_node_a_line_and_reads_back_as_it_is() -> None:
    assert render_registry(parse_registry(TEXT)) == TEXT


def test_an_empty_registry_reads_back_as_it_is() -> None:
    assert parse_registry(render_registry(EMPTY)) == EMPTY


def test_nodes_are_in_natural_order() -> None:
    document = json.loads(TEXT)
    document["nodes"].reverse()
    assert render_registry(parse_registry(json.dumps(document))) == TEXT


def test_every_mac_finds_its_node() -> None:
    registry = parse_registry(TEXT)
    assert {mac: node.name for mac, node in registry.by_mac.items()} == {
        "52:54:00:00:00:09": "n9",
        "52:54:00:00:00:10": "n10",
        "52:54:00:00:01:10": "n10",
    }
    assert registry.addresses["52:54:00:00:01:10"] == IPv4Address("10.17.5.10")


@pytest.mark.parametrize(
    ("node", "effective"),
    [
        (replace(N9, vnfs="own"), Effective("own", "node")),
        (N9, Effective("debian", "group")),
        (replace(N9, group="spare"), Effective("fallback", "default")),
        (replace(N9, group="nobody"), Effective("fallback", "default")),
    ],
)
def test_a_vnfs_comes_from_node_group_or_default(node: Node, effective: Effective) -> None:
    registry = Registry({"compute": Group("compute", "debian"), "spare": Group("spare")}, (node,))
    assert registry.effective_vnfs(node, default="fallback") == effective


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": "N9"}, "line 4: Cannot name a node 'N9'"),
        ({"name": "localhost"}, "line 4: Cannot name a node"),
        ({"name": "n10"}, "line 5: name n10 belongs to node 'n10' already"),
        ({"address": "10.17.5.10"}, "line 5: address 10.17.5.10 belongs to node 'n9' already"),
        ({"macs": ["52:54:00:00:01:10"]}, "line 5: MAC 52:54:00:00:01:10 belongs to node 'n9' already"),
        ({"macs": ["52:54:00:00:00:09"] * 2}, "line 4: MAC 52:54:00:00:00:09 belongs to node 'n9' already"),
        ({"macs": []}, "line 4: a node needs at least one MAC"),
        ({"macs": ["nonsense"]}, "line 4: Cannot use 'nonsense' as a MAC"),
        ({"macs": "52:54:00:00:00:09"}, "line 4: 'macs' of a node cannot be"),
        ({"address": "10.17.5.999"}, "line 4: 'address' of a node cannot be '10.17.5.999'"),
        ({"address": None}, "line 4: 'address' of a node cannot be None"),
        ({"group": "a-b"}, "line 4: Cannot name a group"),
        ({"enabled": "yes"}, "line 4: 'enabled' of a node cannot be 'yes'"),
        ({"machine_id": "short"}, "line 4: 'machine_id' of a node"),
        ({"adopted": "yesterday"}, "line 4: 'adopted' of a node"),
        ({"vnfs": "../x"}, "line 4: Cannot name a VNFS"),
        ({"vnfs": None}, "line 4: 'vnfs' of a node cannot be None"),
        ({"kernel_args": "a && b"}, "line 4: Cannot use 'a && b' as kernel arguments"),
        ({"colour": "blue"}, "line 4: a node has no 'colour'"),
    ],
)
def test_a_corrupt_node_is_named_by_file_and_line(changed: dict[str, Any], reason: str) -> None:
    lines = TEXT.splitlines()
    lines[3] = json.dumps({**json.loads(lines[3].rstrip(",")), **changed}) + ","
    with pytest.raises(PerceusError) as caught:
        parse_registry("\n".join(lines), source="/x/nodes.json")
    assert str(caught.value).startswith(f"Cannot read registry '/x/nodes.json' {reason}")


@pytest.mark.parametrize("key", ["name", "macs", "address", "group", "enabled", "machine_id", "adopted"])
def test_a_node_without_a_needed_value_is_corrupt(key: str) -> None:
    document = json.loads(TEXT)
    del document["nodes"][0][key]
    with pytest.raises(PerceusError, match=f"'{key}' of a node cannot be None"):
        parse_registry(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: not JSON"),
        (TEXT[:300], "line 4: not JSON"),
        ("[]", "not of format 'perceus-nodes'"),
        ('{"format": "perceus-nodes"}', "no version None exists"),
        (
            '{"format": "perceus-nodes", "version": 2}',
            "version 2 is newer than 1. Use the perceus.cluster that wrote it",
        ),
        ('{"format": "perceus-nodes", "version": 1, "groups": [], "nodes": []}', "'groups' must be an object"),
        ('{"format": "perceus-nodes", "version": 1, "groups": {"A": {}}, "nodes": []}', "Cannot name a group 'A'"),
        ('{"format": "perceus-nodes", "version": 1, "groups": {"a": {"b": 1}}, "nodes": []}', "group 'a'"),
        ('{"format": "perceus-nodes", "version": 1, "groups": {}, "nodes": [7]}', "a node is an object, not 7"),
    ],
)
def test_a_corrupt_file_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(PerceusError) as caught:
        parse_registry(text, source="/x/nodes.json")
    assert reason in str(caught.value)
    assert "/x/nodes.json" in str(caught.value)


@given(text=st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(PerceusError):
        parse_registry(text)


def test_a_missing_file_is_an_empty_registry(tmp_path: Path) -> None:
    assert load_registry(tmp_path / "nodes.json") == EMPTY


def test_what_is_saved_is_loaded_and_not_written_twice(tmp_path: Path) -> None:
    file = tmp_path / "nodes.json"
    registry = parse_registry(TEXT)
    assert save_registry(file, registry)
    assert load_registry(file) == registry
    assert not save_registry(file, registry)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PerceusError, match="Is a directory"):
        load_registry(tmp_path)
    (tmp_path / "nodes.json").write_bytes(b"\xff")
    with pytest.raises(PerceusError, match="not UTF-8"):
        load_registry(tmp_path / "nodes.json")


def test_a_node_with_a_taken_address_is_not_registered() -> None:
    twin = replace(N9, name="n11", macs=("52:54:00:00:00:11",))
    with pytest.raises(PerceusError, match=r"register node 'n11': address 10\.17\.5\.9 belongs to node 'n9' already"):
        parse_registry(TEXT).with_nodes([twin])
