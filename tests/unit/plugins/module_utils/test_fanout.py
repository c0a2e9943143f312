# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work for many hosts."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._fanout import fan_out


def test_an_error_is_the_outcome_of_its_host_alone() -> None:
    def work(host: str) -> str:
        if host == "n102":
            raise PerceusError("Cannot reach it")
        return host.upper()

    outcomes = fan_out(work, ["n103", "n102", "n101"], forks=2)
    assert list(outcomes) == ["n103", "n102", "n101"]
    assert (outcomes["n103"], outcomes["n101"]) == ("N103", "N101")
    assert isinstance(outcomes["n102"], PerceusError)


def test_as_many_as_allowed_are_worked_on_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)
    assert len(fan_out(lambda _: meeting.wait(), range(3), forks=3)) == 3


def test_a_programming_error_is_no_outcome() -> None:
    with pytest.raises(ZeroDivisionError):
        fan_out(lambda host: 1 // host, [0], forks=1)
