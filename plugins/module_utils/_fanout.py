# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work for many hosts at once, so that one that hangs or fails holds up none of the others."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ._errors import PerceusError

Host = TypeVar("Host", bound=Hashable)
Result = TypeVar("Result")


def fan_out(work: Callable[[Host], Result], hosts: Iterable[Host], *, forks: int) -> dict[Host, Result | PerceusError]:
    """Return what ``work`` returned, or the :class:`PerceusError` that it raised, for each host in the given order.

    At most ``forks`` hosts are worked on at a time. ``work`` must end by itself: bound every wait in it.
    """

    def outcome(host: Host) -> Result | PerceusError:
        try:
            return work(host)
        except PerceusError as error:
            return error

    chosen = list(hosts)
    with ThreadPoolExecutor(max_workers=forks) as pool:
        return dict(zip(chosen, pool.map(outcome, chosen)))
