# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.discoveries import Hardware
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.record import (
    Alarm,
    Evidence,
    Record,
    load_all,
    load_record,
    parse_record,
    render_record,
)

MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
SEEN = "2030-01-01T00:00:00Z"
RECORD = Record(
    (
        Evidence(MAC, "node", SEEN, "10.17.5.20", 1893456000, "n101", "adopt", Hardware(serial="SN-1001")),
        Evidence(OTHER_MAC, "quarantine", SEEN),
    ),
    (
        Alarm("duplicate_mac", (MAC,), (), SEEN, "So", "Do"),
        Alarm("new_mac", (OTHER_MAC,), ("n101",), SEEN, "What is so", "What to do"),
    ),
)


def test_a_record_comes_back_as_it_was(tmp_path: Path, config: ClusterConfig) -> None:
    here = replace(config, state_dir=tmp_path)
    RECORD.save(here)
    assert load_all(here) == RECORD


def test_what_everybody_reads_has_no_machines_of_nodes(tmp_path: Path, config: ClusterConfig) -> None:
    RECORD.save(replace(config, state_dir=tmp_path))
    assert load_record(tmp_path / "machines.json") == Record(RECORD.machines[1:], RECORD.alarms)


def test_each_machine_and_alarm_has_a_line_without_what_is_empty() -> None:
    assert f'\n{{"mac": "{OTHER_MAC}", "status": "quarantine", "first_seen": "{SEEN}"}}\n' in render_record(RECORD)


def test_a_record_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert load_record(tmp_path / "machines.json") == Record() == parse_record(render_record(Record()))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", render_record(RECORD)[:-20], render_record(RECORD).replace('"status"', '"sort"')],
)
def test_what_is_no_record_is_an_error_that_says_what_to_do(text: str) -> None:
    with pytest.raises(PerceusError, match=r"machines\.json.*Remove it"):
        parse_record(text)


def test_a_newer_record_is_refused() -> None:
    with pytest.raises(PerceusError, match="version 2"):
        parse_record(render_record(RECORD).replace('"version": 1', '"version": 2'))
