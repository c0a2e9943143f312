# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that end a process, told as an error is told, and cleaned up after as after one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from ._errors import PerceusError

ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class _Stopped(BaseException):
    """A signal, on its way to the end of the block: no error's handler on the way takes it for its own."""


@contextlib.contextmanager
def stopping_by_error(what: str) -> Iterator[None]:
    """Have a signal that would end this process end the block instead, with :class:`PerceusError`.

    Once: those that follow are ignored, so that nothing cuts the cleaning up short. A signal that is ignored or handled
    already is left alone, so that of nested blocks the outermost ends. For the main thread.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        for other in ours:
            signal.signal(other, signal.SIG_IGN)
        raise _Stopped(signal.Signals(number).name)

    ours = {number: handler for number in ENDING if (handler := signal.getsignal(number)) in DEFAULTS}
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    except _Stopped as stopped:
        if not ours:
            raise
        raise PerceusError(
            f"Cannot finish the work on {what}: it was stopped by {stopped}",
            hint="What was half done is undone: run it again",
        ) from None
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
