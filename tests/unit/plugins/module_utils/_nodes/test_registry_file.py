# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import (
    load_registry,
    parse_registry,
    render_registry,
    save_registry,
)
from hypothesis import given
from hypothesis import strategies as st

TEXT = """\
{"format": "perceus-nodes", "version": 2,
"groups": {
"compute": {"vnfs": "debian", "boot": "local", "console": "ttyS1", "kernel_args": "quiet", \
"overlays": ["base", "gpu.2"], "description": "the workers"},
"spare": {}
},
"masked": {
"52:54:00:00:00:66": "the storage's own boot server"
},
"dismissed": {
"52:54:00:00:00:77": 1893456000
},
"overlays": {
"*": ["base"],
"debian": ["modprobe"]
},
"nodes": [
{"name": "n9", "macs": ["52:54:00:00:00:09"], "address": "10.17.5.9", "group": "compute", "enabled": true, \
"machine_id": "00000000000000000000000000000009", "adopted": "2030-01-01T00:00:00Z"},
{"name": "n10", "macs": ["52:54:00:00:00:10", "52:54:00:00:01:10"], "address": "10.17.5.10", "group": "spare", \
"enabled": false, "machine_id": "00000000000000000000000000000010", "adopted": "2030-01-01T00:00:00Z", \
"vnfs": "rocky-9", "boot": "image", "console": "ttyS0,115200", "kernel_args": "debug", "description": "für später", \
"variables": {"rack": 7, "disks": ["a", "b"]}, "overlays": ["gpu.2"]}
]}
"""
VERSION_1 = """\
{"format": "perceus-nodes", "version": 1,
"groups": {"compute": {"vnfs": "debian"}, "spare": {}},
"nodes": [
{"name": "n9", "macs": ["52:54:00:00:00:09"], "address": "10.17.5.9", "group": "compute", "enabled": true, \
"machine_id": "00000000000000000000000000000009", "adopted": "2030-01-01T00:00:00Z"},
{"name": "n10", "macs": ["52:54:00:00:00:10"], "address": "10.17.5.10", "group": "spare", "enabled": false, \
"machine_id": "00000000000000000000000000000010", "adopted": "2030-01-01T00:00:00Z", "vnfs": "rocky-9", \
"kernel_args": "quiet"}
]}
"""


def test_the_text_is_one_node_a_line_and_reads_back_as_it_is() -> None:
    assert render_registry(parse_registry(TEXT)) == TEXT


def test_version_1_is_read_and_written_as_version_2() -> None:
    registry = parse_registry(VERSION_1)
    assert [(node.name, node.vnfs, node.boot) for node in registry.nodes] == [
        ("n9", None, None),
        ("n10", "rocky-9", None),
    ]
    assert render_registry(registry).startswith('{"format": "perceus-nodes", "version": 2,\n"groups": {\n"compute": {')
    assert parse_registry(render_registry(registry)) == registry


def test_an_empty_registry_reads_back_as_it_is() -> None:
    assert parse_registry(render_registry(EMPTY)) == EMPTY


def test_nodes_are_in_natural_order() -> None:
    document = json.loads(TEXT)
    document["nodes"].reverse()
    assert render_registry(parse_registry(json.dumps(document))) == TEXT


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": "N9"}, "line 17: Cannot name a node 'N9'"),
        ({"name": "localhost"}, "line 17: Cannot name a node"),
        ({"name": "n10"}, "line 18: name n10 belongs to node 'n10' already"),
        ({"address": "10.17.5.10"}, "line 18: address 10.17.5.10 belongs to node 'n9' already"),
        ({"macs": ["52:54:00:00:01:10"]}, "line 18: MAC 52:54:00:00:01:10 belongs to node 'n9' already"),
        ({"macs": ["52:54:00:00:00:09"] * 2}, "line 17: MAC 52:54:00:00:00:09 belongs to node 'n9' already"),
        ({"macs": []}, "line 17: a node needs at least one MAC"),
        ({"macs": ["nonsense"]}, "line 17: Cannot use 'nonsense' as a MAC"),
        ({"macs": "52:54:00:00:00:09"}, "line 17: 'macs' of a node cannot be"),
        ({"address": "10.17.5.999"}, "line 17: 'address' of a node cannot be '10.17.5.999'"),
        ({"address": "10.17.05.9"}, "line 17: 'address' of a node cannot be '10.17.05.9'"),
        ({"address": "10.17.5.9\0"}, "line 17: 'address' of a node cannot be"),
        ({"address": None}, "line 17: 'address' of a node cannot be None"),
        ({"group": "a-b"}, "line 17: Cannot name a group"),
        ({"enabled": "yes"}, "line 17: 'enabled' of a node cannot be 'yes'"),
        ({"machine_id": "short"}, "line 17: 'machine_id' of a node"),
        ({"adopted": "yesterday"}, "line 17: 'adopted' of a node"),
        ({"vnfs": "../x"}, "line 17: Cannot name a VNFS"),
        ({"vnfs": None}, "line 17: 'vnfs' of a node cannot be None"),
        ({"kernel_args": "a && b"}, "line 17: Cannot use 'a && b' as kernel arguments"),
        ({"macs": ["52:54:00:00:00:66"]}, "line 17: MAC 52:54:00:00:00:66 is masked"),
        ({"boot": "floppy"}, "line 17: Cannot boot 'floppy'"),
        ({"console": "tty0 rw"}, "line 17: Cannot use 'tty0 rw'"),
        ({"description": "two\nlines"}, "line 17: Cannot use 'two\\nlines' as a description"),
        ({"variables": []}, "line 17: 'variables' of a node cannot be []"),
        ({"variables": {"a-b": 1}}, "line 17: Cannot name a variable 'a-b'"),
        ({"variables": {"perceus_state": "ready"}}, "line 17: Cannot name a variable 'perceus_state'"),
        ({"variables": {"a": float("nan")}}, "line 17: Cannot keep variables a"),
        ({"overlays": ["A"]}, "line 17: Cannot name an overlay 'A'"),
        ({"colour": "blue"}, "line 17: a node has no 'colour'"),
    ],
)
def test_a_corrupt_node_is_named_by_file_and_line(changed: dict[str, Any], reason: str) -> None:
    lines = TEXT.splitlines()
    lines[16] = json.dumps({**json.loads(lines[16].rstrip(",")), **changed}) + ","
    with pytest.raises(PerceusError) as caught:
        parse_registry("\n".join(lines), source="/x/nodes.json")
    assert str(caught.value).startswith(f"Cannot read registry '/x/nodes.json' {reason}")


@pytest.mark.parametrize(
    ("line", "changed", "reason"),
    [
        (3, '"Compute": {},', "line 3: Cannot name a group 'Compute'"),
        (3, '"compute": {"vnfs": null},', "line 3: 'vnfs' of group 'compute' cannot be None"),
        (3, '"compute": {"colour": "blue"},', "line 3: group 'compute' has no 'colour'"),
        (3, '"compute": {"overlays": ["../x"]},', "line 3: Cannot name an overlay '../x'"),
        (4, '"spare": 7', "line 4: group 'spare' is an object, not 7"),
        (7, '"nonsense": ""', "line 7: Cannot use 'nonsense' as a MAC"),
        (10, '"52:54:00:00:00:77": "soon"', "line 10: the end of the lease of '52:54:00:00:00:77' cannot be 'soon'"),
        (7, '"52:54:00:00:00:66": null', "line 7: the reason for masking '52:54:00:00:00:66' cannot be None"),
    ],
)
def test_a_corrupt_group_or_mask_is_named_by_file_and_line(line: int, changed: str, reason: str) -> None:
    lines = TEXT.splitlines()
    lines[line - 1] = changed
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
        (TEXT[:500], "line 17: not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not of format 'perceus-nodes'"),
        ('{"format": "perceus-nodes"}', "no version None exists"),
        (
            '{"format": "perceus-nodes", "version": 3}',
            "version 3 is newer than 2. Use the perceus.cluster that wrote it",
        ),
        (
            '{"format": "perceus-nodes", "version": 1, "groups": [], "nodes": []}',
            "'groups', 'masked', 'dismissed' and 'overlays' must be",
        ),
        (
            '{"format": "perceus-nodes", "version": 2, "overlays": {"debian": "base"}, "nodes": []}',
            "the overlays of VNFS 'debian' cannot be 'base'",
        ),
        ('{"format": "perceus-nodes", "version": 2, "overlays": {"A": []}, "nodes": []}', "Cannot name a VNFS 'A'"),
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


def test_ten_thousand_nodes_are_read_at_once() -> None:
    nodes = "".join(
        f'{{"name": "n{number:05d}", "macs": ["52:54:00:00:{number >> 8:02x}:{number & 255:02x}"], '
        f'"address": "10.17.{number >> 8}.{number & 255}", "group": "compute", "enabled": true, '
        f'"machine_id": "{number:032x}", "adopted": "2030-01-01T00:00:00Z"}},\n'
        for number in range(10_000)
    )
    text = f'{{"format": "perceus-nodes", "version": 2,\n"groups": {{}},\n"nodes": [\n{nodes.rstrip()[:-1]}\n]}}\n'
    assert len(parse_registry(text).nodes) == 10_000
