# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.snapshot import (
    Snapshot,
    parse_snapshot,
    render_snapshot,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import Machine
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.hosts import VnfsHost
from hypothesis import given
from hypothesis import strategies as st

NODE: dict[str, Any] = {"name": "n101", "groups": ["nodes"], "facts": {"address": "10.17.5.101"}}
DOCUMENT: dict[str, Any] = {
    "format": "perceus-inventory",
    "version": 1,
    "warnings": [],
    "vnfs": {"debian": None},
    "machines": [NODE],
}

texts = st.text(max_size=20)
machines = st.builds(
    Machine,
    name=st.one_of(st.from_regex(r"n[0-9]{1,6}", fullmatch=True), st.from_regex(r"mac-[0-9a-f]{12}", fullmatch=True)),
    groups=st.lists(st.sampled_from(["nodes", "vnfs_rocky-9.3", "state_ready"]), unique=True).map(tuple),
    facts=st.dictionaries(
        st.sampled_from(["mac", "enabled", "alarms"]), st.one_of(texts, st.booleans(), st.lists(texts, max_size=2))
    ),
    variables=st.dictionaries(st.sampled_from(["rack", "bmc"]), st.one_of(texts, st.integers()), max_size=2),
)
snapshots = st.builds(
    Snapshot,
    machines=st.lists(machines, max_size=4).map(tuple),
    vnfs=st.sampled_from([(), (VnfsHost("debian", None), VnfsHost("rocky-9", "0123456789abcdef"))]),
    warnings=st.lists(texts, max_size=2).map(tuple),
)


def parse(document: Any) -> Snapshot:
    return parse_snapshot(json.dumps(document), source="'ssh://master'")


@given(snapshots)
def test_a_snapshot_arrives_as_it_was_sent(snapshot: Snapshot) -> None:
    assert parse_snapshot(render_snapshot(snapshot), source="'ssh://master'") == snapshot


def test_what_is_not_known_does_not_travel() -> None:
    sent = Snapshot((Machine("n101", ("nodes",), {"mac": "52:54:00:00:00:01", "state": None}),))
    assert parse_snapshot(render_snapshot(sent), source="").machines[0].facts == {"mac": "52:54:00:00:00:01"}


def test_a_machine_has_a_line_of_its_own() -> None:
    sent = Snapshot(tuple(Machine(f"n{number}", ("nodes",), {}) for number in range(101, 104)))
    lines = render_snapshot(sent).splitlines()
    assert [json.loads(line.rstrip(","))["name"] for line in lines if line.startswith('{"name"')] == [
        "n101",
        "n102",
        "n103",
    ]


@given(st.one_of(st.text(), st.binary()))
def test_anything_else_is_refused_by_the_name_of_its_source(content: str | bytes) -> None:
    with pytest.raises(PerceusError, match=r"Cannot use the inventory of 'ssh://master'"):
        parse_snapshot(content, source="'ssh://master'")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "perceus-nodes"},
        {"version": 2},
        {"machines": None},
        {"machines": [{}]},
        {"machines": ["n101"]},
        {"machines": [{**NODE, "name": "-oProxyCommand=id"}]},
        {"machines": [{**NODE, "name": "localhost"}]},
        {"machines": [{**NODE, "name": 1}]},
        {"machines": [{**NODE, "groups": ["{{ x }}"]}]},
        {"machines": [{**NODE, "groups": [None]}]},
        {"machines": [{**NODE, "facts": {"a-b": 1}}]},
        {"machines": [{**NODE, "facts": {"address": "-oProxyCommand=id"}}]},
        {"machines": [{**NODE, "variables": {"perceus_mac": "x"}}]},
        {"vnfs": {"../etc": None}},
        {"vnfs": {"debian": "../etc"}},
        {"vnfs": []},
    ],
)
def test_a_document_is_checked_wherever_it_comes_from(change: dict[str, Any]) -> None:
    assert parse(DOCUMENT)
    with pytest.raises(PerceusError, match=r"Cannot use the inventory of 'ssh://master'"):
        parse({**DOCUMENT, **change})


def test_a_newer_document_says_what_to_do() -> None:
    with pytest.raises(PerceusError, match="of version 2, not 1") as caught:
        parse({**DOCUMENT, "version": 2})
    assert "Use the same version" in str(caught.value)
