# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve an earlier generation again. The tree stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

from ..._errors import PerceusError
from ..store import Vnfs, current_generation, flip, list_generations
from .publish import is_whole


@dataclass(frozen=True)
class RollbackPlan:
    """``current`` is the generation that is served now, ``generation`` the one that will be."""

    vnfs: str
    current: str | None
    generation: str

    @property
    def action(self) -> str:
        return "none" if self.generation == self.current else "flip"

    @property
    def changed(self) -> bool:
        return self.action != "none"

    def as_diff(self) -> dict[str, str]:
        header = f"{self.vnfs}/current"
        return {
            "before_header": header,
            "after_header": header,
            "before": f"{self.current}\n" if self.current else "",
            "after": f"{self.generation}\n",
        }


def plan_rollback(vnfs: Vnfs, generation: str | None) -> RollbackPlan:
    """Choose the generation named, or the one published before the served one; needs the lock, writes nothing.

    Raises :class:`PerceusError` when there is none, or it is not as it was published.
    """
    published, current = list_generations(vnfs), current_generation(vnfs)
    if generation is None:
        generation = _before(vnfs, published, current)
    elif generation not in published:
        there = ", ".join(published) or "none"
        raise PerceusError(
            f"Cannot roll VNFS {vnfs.name!r} back to {generation!r}: it is not published",
            hint=f"Published are: {there}",
            vnfs=vnfs.name,
        )
    if not is_whole(vnfs.images / generation, vnfs=vnfs.name):
        raise PerceusError(
            f"Cannot roll VNFS {vnfs.name!r} back to {generation!r}: its files are not those that were published",
            hint="Choose another one, or publish the tree",
            vnfs=vnfs.name,
        )
    return RollbackPlan(vnfs.name, current, generation)


def _before(vnfs: Vnfs, published: list[str], current: str | None) -> str:
    older = published[: published.index(current)] if current in published else published
    if not older:
        raise PerceusError(
            f"Cannot roll VNFS {vnfs.name!r} back: nothing older is published",
            hint="Name the generation" if published else "Publish it",
            vnfs=vnfs.name,
        )
    return older[-1]


def apply_rollback(plan: RollbackPlan, vnfs: Vnfs) -> None:
    """Serve the generation; needs the lock."""
    if plan.changed:
        flip(vnfs, plan.generation)
