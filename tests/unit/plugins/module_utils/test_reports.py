# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._reports import last_words, load_reports, parse_reports
from hypothesis import given
from hypothesis import strategies as st

MAC, ADDRESS, GENERATION = "52:54:00:00:00:01", "10.17.5.101", "0123456789abcdef"
ADDRESSES = {MAC: IPv4Address(ADDRESS)}
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


def line(**changed: Any) -> str:
    fields = {
        "time": "2030-01-01T00:00:00+00:00",
        "address": ADDRESS,
        "stage": "ready",
        "mac": MAC,
        "generation": GENERATION,
        "boot": "00000000-0000-0000-0000-000000000001",
        "detail": "",
        "hostkey": "AAAAC3NzaC1lZDI1NTE5AAAA",
    }
    return json.dumps({**fields, **changed}) + "\n"


def test_a_report_is_read_as_it_was_logged() -> None:
    [report] = parse_reports(line(mac="52-54-00-00-00-01"))
    assert (report.mac, report.address, report.stage) == (MAC, IPv4Address(ADDRESS), "ready")
    assert (report.generation, report.hostkey) == (GENERATION, "AAAAC3NzaC1lZDI1NTE5AAAA")


def test_values_are_decoded_as_in_a_url() -> None:
    encoded = line(mac="52%3A54%3A00%3A00%3A00%3A01", hostkey="AAAA%2Bx%3D", detail="wanted+a%0agot%20b%2B")
    [report] = parse_reports(encoded)
    assert (report.mac, report.hostkey, report.detail) == (MAC, "AAAA+x=", "wanted a?got b+")


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
def test_a_machine_is_found_however_its_address_is_encoded(tmp_path: Path, colon: str) -> None:
    (tmp_path / "reports.log").write_text(line(mac=MAC.replace(":", colon)) + line(mac="52:54:00:00:00:02"))
    assert [report.mac for report in load_reports(tmp_path / "reports.log", only=[MAC])] == [MAC]


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": "invented"},
        {"stage": None},
        {"stage": ["ready"]},
        {"mac": "nonsense"},
        {"mac": 7},
        {"address": "here"},
        {"address": None},
        {"time": 7},
    ],
)
def test_a_report_without_stage_machine_or_place_counts_for_nothing(changed: dict[str, Any]) -> None:
    assert list(parse_reports(line(**changed))) == []


@pytest.mark.parametrize("value", ["{{ x }}", "0123", GENERATION.upper(), None, 7, GENERATION + "\n", {"a": 1}])
def test_a_malformed_generation_counts_as_none(value: Any) -> None:
    [report] = parse_reports(line(generation=value))
    assert report.generation == ""


@pytest.mark.parametrize("value", ["ssh-ed25519 AAAA", "AAAA\nfoo", "@cert-authority", None])
def test_a_malformed_host_key_counts_as_none(value: Any) -> None:
    [report] = parse_reports(line(hostkey=value))
    assert report.hostkey == ""


def test_details_are_short_and_printable() -> None:
    [report] = parse_reports(line(detail="\x1b[2J\n" + "x" * 5000))
    assert report.detail == "?[2J?" + "x" * 495


def test_broken_lines_hide_no_others() -> None:
    text = line(stage="fetch")[:40] + "\n" + "[" * 100000 + "\nnull\n[]\n7\n\n" + line()
    assert [report.stage for report in parse_reports(text)] == ["ready"]


@given(text=st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    assert list(parse_reports(text)) == []


@given(
    changed=st.dictionaries(
        st.sampled_from(["time", "address", "stage", "mac", "generation", "boot", "detail", "hostkey"]), JSON
    )
)
def test_no_value_breaks_the_parser(changed: dict[str, Any]) -> None:
    for report in parse_reports(line(**changed)):
        assert all(" " <= character <= "~" for character in report.detail + report.time + report.generation)


def test_the_last_report_is_the_last_word_and_the_last_generation_is_kept() -> None:
    reports = parse_reports(line(stage="fetch") + line(stage="ready", generation="") + line(mac="52:54:00:00:00:02"))
    words = last_words(reports, addresses=ADDRESSES)
    assert {mac: (word.report.stage, word.generation) for mac, word in words.items()} == {MAC: ("ready", GENERATION)}


def test_no_machine_speaks_for_another() -> None:
    reports = parse_reports(line() + line(stage="refused", address="10.17.5.102"))
    assert last_words(reports, addresses=ADDRESSES)[MAC].report.stage == "ready"


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "reports.log"
    log.write_text(line(stage="fetch") * 100 + line(stage="pivot") + line())
    assert [report.stage for report in load_reports(log, tail=2 * len(line()) + 20)] == ["pivot", "ready"]


def test_what_rotation_moved_away_is_still_known(tmp_path: Path) -> None:
    (tmp_path / "reports.log.1").write_text(line(stage="pivot"))
    (tmp_path / "reports.log").write_text(line())
    assert [report.stage for report in load_reports(tmp_path / "reports.log")] == ["pivot", "ready"]


def test_a_log_that_is_not_there_yet_holds_no_reports(tmp_path: Path) -> None:
    assert load_reports(tmp_path / "reports.log") == []


def test_a_log_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PerceusError, match="Is a directory"):
        load_reports(tmp_path)


def said(*lines: str) -> tuple[str, dict[str, str]]:
    """The stage and the conditions of a node that said this."""
    word = last_words(parse_reports("".join(lines)), addresses=ADDRESSES)[MAC]
    return word.report.stage, dict(word.conditions)


DRIFTED = line(stage="drifted", detail="3%20files")
REBOOT = line(stage="needs_reboot", detail="kernel")
NEXT_BOOT = "00000000-0000-0000-0000-000000000002"


def test_a_condition_stands_beside_the_state() -> None:
    assert said(line(), DRIFTED, REBOOT) == ("ready", {"drifted": "3 files", "needs_reboot": "kernel"})


def test_a_script_that_failed_is_a_condition_and_one_that_did_not_changes_nothing() -> None:
    failed = line(stage="script_failed", detail="ready.d/10-x:+exit+status+3")
    told = ("ready", {"script_failed": "ready.d/10-x: exit status 3"})
    assert said(line(), line(stage="script"), failed, line(stage="script", detail="ready.d/20-x")) == told


def test_a_disk_that_cannot_be_used_is_a_condition() -> None:
    missing = line(stage="disk_failed", detail="no+disk+/dev/sda")
    assert said(line(stage="pivot"), missing, line()) == ("ready", {"disk_failed": "no disk /dev/sda"})
    assert said(line(), missing, line(stage="disk_failed")) == ("ready", {})


def test_a_condition_is_taken_back_by_an_empty_one() -> None:
    assert said(line(), DRIFTED, REBOOT, line(stage="drifted")) == ("ready", {"needs_reboot": "kernel"})


def test_what_is_synced_has_not_drifted_but_may_need_a_reboot() -> None:
    assert said(line(), DRIFTED, REBOOT, line(stage="livesync")) == ("livesync", {"needs_reboot": "kernel"})


def test_the_next_boot_ends_all_conditions() -> None:
    assert said(line(), DRIFTED, REBOOT, line(stage="fetch", boot=NEXT_BOOT)) == ("fetch", {})


def test_a_condition_of_another_boot_or_machine_counts_for_nothing() -> None:
    assert said(line(boot=NEXT_BOOT), DRIFTED) == ("ready", {})
    assert said(line(), line(stage="drifted", detail="x", address="10.17.5.102")) == ("ready", {})
