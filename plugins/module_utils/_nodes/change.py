# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the registry: decided as a value, and made so that nothing is lost or left over."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from .._boot.overrides import load_overrides
from .._config import ClusterConfig
from .._errors import PerceusError
from .._files import locked
from .._overlays.source import list_overlays
from .._secrets.store import holder_file
from .._vnfs.store import list_vnfs
from .declare import Known, Means
from .registry import Registry
from .registry_file import load_registry, render_entries, save_registry
from .wire import load_wire


@dataclass(frozen=True)
class Plan:
    """What becomes of the registry. ``renamed`` are old and new name of a node that keeps its host key."""

    before: Registry
    after: Registry
    renamed: tuple[str, str] | None = None

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def added(self) -> list[str]:
        return [name for name in self.after.by_name if name not in self.before.by_name]

    @property
    def updated(self) -> list[str]:
        before = self.before.by_name
        return [name for name, node in self.after.by_name.items() if name in before and before[name] != node]

    @property
    def removed(self) -> list[str]:
        return [name for name in self.before.by_name if name not in self.after.by_name]

    def as_result(self) -> dict[str, Any]:
        """Return what a module says of the change."""
        return {
            "changed": self.changed,
            "diff": self.as_diff(),
            "added": self.added,
            "updated": self.updated,
            "removed": self.removed,
        }

    def as_diff(self) -> dict[str, str]:
        """Return the lines of the registry's file that differ."""
        return {
            "before": _render(_differing(self.before, self.after)),
            "after": _render(_differing(self.after, self.before)),
        }


P = TypeVar("P", bound=Plan)


def _differing(registry: Registry, other: Registry) -> Registry:
    """Return the part of a registry that the other one does not have, or has otherwise."""
    return Registry(
        {name: group for name, group in registry.groups.items() if other.groups.get(name) != group},
        tuple(node for node in registry.nodes if other.by_name.get(node.name) != node),
        {mac: why for mac, why in registry.masked.items() if other.masked.get(mac) != why},
        overlays={vnfs: names for vnfs, names in registry.overlays.items() if other.overlays.get(vnfs) != names},
    )


def _render(registry: Registry) -> str:
    return "".join(f"{line}\n" for lines in render_entries(registry).values() for line in lines)


def find_means(config: ClusterConfig) -> Means:
    """Return what is needed to change nodes now. Raises :class:`PerceusError` when this user may not know the VNFSs."""
    try:
        known = Known({vnfs.name for vnfs in list_vnfs(config.store)}, list_overlays(config.overlays))
    except OSError as error:
        raise PerceusError(f"Cannot look into {str(config.store)!r}: {error.strerror}", hint="Become root") from error
    return Means(config, known, datetime.now(timezone.utc), lambda: uuid.uuid4().hex)


def change_registry(config: ClusterConfig, decide: Callable[[Registry], P], *, check: bool, touches_keys: bool) -> P:
    """Have ``decide`` say what becomes of the registry, and unless this is a ``check`` make it so.

    Of nodes that go, the host keys go too, if the change ``touches_keys`` at all; the leases that their machines hold
    make no nodes of them again. Raises :class:`PerceusError` when nothing was changed.
    """
    if check:
        return decide(load_registry(config.registry))
    with contextlib.ExitStack() as held:
        if touches_keys:  # before the registry, which others wait for, as somebody may be making keys for a while
            held.enter_context(locked(config.hostkeys_lock, what="the nodes' host keys"))
        held.enter_context(locked(config.lock, what="the registry"))
        plan = decide(load_registry(config.registry))
        if plan.changed:
            dismissed = _dismiss(plan, config)
            if touches_keys:
                held.enter_context(_keys_moved(plan, config))
            save_registry(config.registry, replace(plan.after, dismissed=dismissed))
    return plan


def _dismiss(plan: Plan, config: ClusterConfig) -> dict[str, int]:
    """Return the dismissals that are in force after the change."""
    now = datetime.now(timezone.utc).timestamp()
    lasting = {mac: end for mac, end in plan.after.dismissed.items() if end == 0 or end > now}
    gone = plan.before.by_mac.keys() - plan.after.by_mac.keys()
    leases = load_wire(config)[0] if gone else ()
    new = {lease.mac: lease.expiry or 0 for lease in leases if lease.mac in gone}
    return {mac: end for mac, end in {**lasting, **new}.items() if mac not in plan.after.by_mac}


@contextlib.contextmanager
def _keys_moved(plan: Plan, config: ClusterConfig) -> Iterator[None]:
    """Have keys and secrets of nodes that go aside, and those of a renamed one in their place, while the block writes
    the registry.

    If it fails they are back, else those of nodes that went are no more; what is cut short leaves none of them.
    """
    aside = config.hostkeys / ".gone"
    moves = {kept: aside / kept.name for name in plan.removed for kept in _kept_of(name, config)}
    if plan.renamed:
        moves = {}
        for old, new in zip(*(_kept_of(name, config) for name in plan.renamed)):
            moves.update({new: aside / new.name, old: new})
    try:
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.ExitStack() as back:
            for key, place in moves.items():
                if key.exists():
                    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    key.rename(place)
                    back.callback(place.rename, key)
            yield
            back.pop_all()
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise PerceusError(f"Cannot move {error.filename!r} with its node: {error.strerror}") from error


def _kept_of(name: str, config: ClusterConfig) -> tuple[Path, Path]:
    """Return where the master keeps what only the node of this name may have."""
    return config.hostkeys / name, holder_file(config.secrets, "node", name)


def find_leftovers(plan: Plan, store: Path) -> Iterator[str]:
    """Yield a warning for what each VNFS has for nodes and groups that are no more: later ones of the name get it."""
    gone = {"node": set(plan.removed), "group": plan.before.groups.keys() - plan.after.groups.keys()}
    if not any(gone.values()):
        return
    for vnfs in list_vnfs(store):
        try:
            overrides = load_overrides(vnfs.folder)
        except PerceusError as error:
            yield str(error)
            continue
        for kind, table in (("node", overrides.nodes), ("group", overrides.groups)):
            for name in sorted(table.keys() & gone[kind]):
                yield (
                    f"VNFS {vnfs.name!r} has overrides for {kind} {name!r} still, which any later {kind} of this name "
                    "gets: take them away, or give them its new name, with vnfs_configure"
                )
