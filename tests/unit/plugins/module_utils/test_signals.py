# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._signals import ENDING, stopping_by_error


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers that a program starts with, and afterwards those of the tests."""
    before = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_told_as_an_error(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    message = rf"Cannot finish the work on VNFS 'a': it was stopped by {number.name}\."
    with pytest.raises(PerceusError, match=message), stopping_by_error("VNFS 'a'"):
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


def test_a_second_signal_does_not_cut_the_cleaning_up_short() -> None:
    cleaned = []

    def work() -> None:
        with stopping_by_error("VNFS 'a'"), stopping_by_error("VNFS 'b'"):
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGINT)
                cleaned.append(True)

    with pytest.raises(PerceusError, match="VNFS 'a': it was stopped by SIGTERM"):
        work()
    assert cleaned


def test_no_handler_of_errors_keeps_a_signal() -> None:
    with (
        pytest.raises(PerceusError, match="stopped by SIGTERM"),
        stopping_by_error("VNFS 'a'"),
        contextlib.suppress(PerceusError, OSError),
    ):
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup(1) does
    with stopping_by_error("VNFS 'a'"):
        signal.raise_signal(signal.SIGHUP)


def test_a_signal_that_comes_while_a_program_is_started_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self.pid)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(PerceusError, match="it was stopped by SIGTERM"), stopping_by_error("VNFS 'a'"):
        CommandRunner()(["sleep", "1000"])
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
