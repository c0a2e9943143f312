# SPDX-License-Identifier: GPL-3.0-or-later
"""Which generations stay: the newest, the one that is served, and those that nodes run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._errors import PerceusError
from ..store import Vnfs, current_generation, list_generations, remove_generation

Running = Mapping[str, tuple[str, ...]]  # the names of the nodes that run each generation


@dataclass(frozen=True)
class Retention:
    """``pruned`` are the generations that go; ``kept`` are those that would, were it not for the nodes named."""

    current: str | None
    published: tuple[str, ...]
    pruned: tuple[str, ...]
    kept: Running

    @property
    def action(self) -> str:
        return "prune" if self.pruned else "none"

    @property
    def changed(self) -> bool:
        return bool(self.pruned)

    def as_result(self) -> dict[str, Any]:
        return {
            "changed": self.changed,
            "action": self.action,
            "pruned": list(self.pruned),
            "kept": {name: list(nodes) for name, nodes in self.kept.items()},
        }

    def as_diff(self) -> dict[str, str]:
        stays = (name for name in self.published if name not in self.pruned)
        return {
            "before": "".join(f"{name}\n" for name in self.published),
            "after": "".join(f"{name}\n" for name in stays),
        }


def plan_retention(published: Sequence[str], *, served: str | None, keep: int, running: Running) -> Retention:
    """Decide which of ``published``, oldest first, go so that ``keep`` stay, the served one included."""
    if keep < 1:
        raise PerceusError("Cannot keep fewer generations than the one that is served")
    others = [name for name in published if name != served]
    surplus = others[: max(0, len(published) - keep)]
    return Retention(
        current=served,
        published=tuple(published),
        pruned=tuple(name for name in surplus if name not in running),
        kept={name: running[name] for name in surplus if name in running},
    )


def plan_prune(vnfs: Vnfs, *, keep: int, running: Running) -> Retention:
    """Look at what is published and decide; needs the lock, writes nothing."""
    return plan_retention(list_generations(vnfs), served=current_generation(vnfs), keep=keep, running=running)


def apply_retention(plan: Retention, vnfs: Vnfs) -> None:
    """Remove what goes; needs the lock."""
    for name in plan.pruned:
        remove_generation(vnfs, name)
