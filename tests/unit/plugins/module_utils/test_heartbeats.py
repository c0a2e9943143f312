# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._heartbeats import load_words, parse_heartbeats
from hypothesis import given
from hypothesis import strategies as st

from .test_reports import ADDRESS, ADDRESSES, GENERATION, MAC, line

OTHER_MAC, OTHER_ADDRESS = "52:54:00:00:00:02", "10.17.5.102"
ENCODED = MAC.replace(":", "%3A")
LATER = "2030-01-01T00:03:00+00:00"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports.log"


def test_a_node_is_heard_by_its_heartbeats_and_is_what_it_reported(reports: Path) -> None:
    reports.write_text(line(stage="livesync"))
    reports.with_name("heartbeats.log").write_text(line(stage="heartbeat", mac=ENCODED, time=LATER))
    word = load_words(reports, addresses=ADDRESSES)[MAC]
    assert (word.report.stage, word.report.time, word.heard) == ("livesync", "2030-01-01T00:00:00+00:00", LATER)


def test_a_report_after_the_last_heartbeat_counts(reports: Path) -> None:
    reports.write_text(line(stage="fetch", time=LATER))
    reports.with_name("heartbeats.log").write_text(line(stage="heartbeat", mac=ENCODED))
    word = load_words(reports, addresses=ADDRESSES)[MAC]
    assert (word.report.stage, word.heard) == ("fetch", LATER)


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
def test_a_node_whose_reports_are_rotated_away_is_ready(reports: Path, colon: str) -> None:
    reports.with_name("heartbeats.log").write_text(line(stage="heartbeat", mac=MAC.replace(":", colon)))
    for only in (None, [MAC]):
        word = load_words(reports, addresses=ADDRESSES, only=only)[MAC]
        assert (word.report.stage, word.generation, word.heard) == ("ready", GENERATION, word.report.time)
    assert load_words(reports, addresses=ADDRESSES, only=[OTHER_MAC]) == {}


@pytest.mark.parametrize(("detail", "mounted"), [("", None), (GENERATION, GENERATION), (f"{GENERATION}0", None)])
def test_a_heartbeat_tells_what_a_node_has_over_nfs(detail: str, mounted: str | None) -> None:
    beats = parse_heartbeats(line(stage="heartbeat", mac=ENCODED, detail=detail), addresses=ADDRESSES)
    assert beats[MAC].mounted == mounted


def test_no_machine_beats_for_another() -> None:
    addresses = {**ADDRESSES, OTHER_MAC: IPv4Address(OTHER_ADDRESS)}
    own = line(stage="heartbeat", mac=ENCODED)
    forged = line(stage="heartbeat", mac=ENCODED, address=OTHER_ADDRESS, time=LATER)
    assert {mac: beat.time for mac, beat in parse_heartbeats(own + forged, addresses=addresses).items()} == {
        MAC: "2030-01-01T00:00:00+00:00"
    }


@pytest.mark.parametrize(
    "other",
    [
        line(mac=ENCODED),
        line(stage="heartbeat", mac="nonsense"),
        line(stage="heartbeat", mac=ENCODED, address="300.1.1.1"),
        line(stage='", "stage": "heartbeat', mac=ENCODED),
        "x" + line(stage="heartbeat", mac=ENCODED),
    ],
)
def test_what_is_no_heartbeat_counts_for_nothing(other: str) -> None:
    assert parse_heartbeats(other, addresses=ADDRESSES) == {}


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert set(parse_heartbeats(text, addresses={MAC: IPv4Address(ADDRESS)})) <= {MAC}
