# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.boots import gather_boots
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.discoveries import Discovery, Hardware
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Registry
from ansible_collections.perceus.cluster.plugins.module_utils._reports import Report

from .test_machines import FIRST, NODE

START = datetime(2030, 1, 1, tzinfo=timezone.utc)
SECOND_BOOT = 1000  # seconds after the first


def said(stage: str, after: int, *, boot: str = "1", detail: str = "", address: str = "10.17.5.101") -> Report:
    time = (START + timedelta(seconds=after)).isoformat()
    return Report(time, IPv4Address(address), stage, FIRST, "ab" * 8, boot, detail, "")


def asked(*after: int) -> list[Discovery]:
    return [Discovery(START + timedelta(seconds=seconds), NODE.address, FIRST, Hardware()) for seconds in after]


def gather(reports: Iterable[Report], scripts: Iterable[Discovery] = ()) -> list[dict[str, Any]]:
    return [boot.as_dict() for boot in gather_boots(Registry({}, (NODE,)), reports, scripts).get("n101", ())]


def seconds_of(boot: dict[str, Any]) -> dict[str, int]:
    return {name: stage["after"] for name, stage in boot["stages"].items()}


BOOT = [said("fetch", 20), said("verified", 31), said("pivot", 32), said("ready", 40)]


def test_a_boot_is_told_from_firmware_to_ready() -> None:
    [boot] = gather(BOOT, asked(5))
    assert seconds_of(boot) == {"firmware": 0, "fetch": 15, "verified": 26, "pivot": 27, "ready": 35}
    assert (boot["started"], boot["seconds"], boot["generation"]) == ("2030-01-01T00:00:05+00:00", 35, "ab" * 8)


def test_each_boot_has_the_script_that_it_asked_for_last() -> None:
    again = [said("fetch", SECOND_BOOT, boot="2"), said("ready", SECOND_BOOT + 20, boot="2")]
    first, second = gather([*BOOT, *again], asked(1, 10, SECOND_BOOT - 8))
    assert (first["stages"]["firmware"]["time"], first["seconds"]) == ("2030-01-01T00:00:10+00:00", 30)
    assert seconds_of(second) == {"firmware": 0, "fetch": 8, "ready": 28}


def test_a_boot_that_no_script_belongs_to_begins_with_its_first_report() -> None:
    for scripts in ([], asked(-700), asked(25)):
        [boot] = gather(BOOT, scripts)
        assert (boot["started"], boot["seconds"]) == ("2030-01-01T00:00:20+00:00", 20)


def test_faults_are_counted_and_the_last_word_on_them_is_kept() -> None:
    [boot] = gather([said("fetch", 0), said("retry", 3, detail="no route"), said("retry", 9, detail="error 404")])
    assert boot["stages"]["retry"] == {
        "time": "2030-01-01T00:00:03+00:00",
        "after": 3,
        "count": 2,
        "detail": "error 404",
    }
    assert boot["seconds"] is None


def test_what_is_said_after_the_boot_is_no_part_of_it() -> None:
    [boot] = gather([*BOOT, said("livesync", 500), said("drifted", 600, detail="…")])
    assert list(boot["stages"]) == ["fetch", "verified", "pivot", "ready"]


@pytest.mark.parametrize("stranger", [said("ready", 1, address="10.17.5.102"), said("ready", 1, boot="")])
def test_what_another_machine_says_of_a_boot_counts_for_nothing(stranger: Report) -> None:
    assert gather([stranger]) == []


def test_the_last_ten_boots_are_kept() -> None:
    boots = gather(said("ready", number, boot=f"{number:x}") for number in range(12))
    assert [boot["boot"] for boot in boots] == [f"{number:x}" for number in range(2, 12)]
