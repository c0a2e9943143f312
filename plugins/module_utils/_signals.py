# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that end a process, told as an error is told, and cleaned up after as after one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from ._errors import PerceusError

ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class _Stopped(BaseException):
    """A signal, on its way to the end of the block: no error's handler on the way takes it for its own."""


class _Postponed(threading.local):
    """Whether a signal has to wait, in this thread, and the one that does."""

    waits = False
    came: _Stopped | None = None


_postponed = _Postponed()


@contextlib.contextmanager
def stopping_by_error(what: str) -> Iterator[None]:
    """Have a signal that would end this process end the block instead, with :class:`PerceusError`.

    Once: those that follow are ignored, so that nothing cuts the cleaning up short. A signal that is ignored or handled
    already is left alone, so that of nested blocks the outermost ends. For the main thread.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        for other in ours:
            signal.signal(other, signal.SIG_IGN)
        stopped = _Stopped(signal.Signals(number).name)
        if not _postponed.waits:
            raise stopped
        _postponed.came = stopped

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


@contextlib.contextmanager
def postponing_signals() -> Iterator[Callable[[], None]]:
    """Have a signal of :func:`stopping_by_error` wait for the end of the block, or for a call of what it gives.

    For what must not be cut in two, as to start a process and to know of it.
    """

    def resume() -> None:
        _postponed.waits = False
        came, _postponed.came = _postponed.came, None
        if came:
            raise came

    _postponed.waits = True
    try:
        yield resume
    finally:
        resume()
