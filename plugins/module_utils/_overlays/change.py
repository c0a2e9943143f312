# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of overlays and of where they are active: decided and tried on every node that they reach, then made."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .._files import locked, sync_folder, write_atomically
from .._names import parse_overlay_name
from .._nodes.declare import require_vnfs
from .._nodes.registry import Registry
from .._nodes.registry_file import load_registry
from .._vnfs.store import list_vnfs
from .compose import check_overlay
from .composer import Composer
from .scopes import find_nodes, find_scopes, set_active
from .source import NEW, OLD, Overlay, SourceFile, check_name, list_overlays, load_overlay, sweep_overlays

_MODE = re.compile(r"[0-7]{3,4}", re.ASCII)


@dataclass(frozen=True)
class OverlayPlan:
    """What becomes of an overlay; None is one that is not there. ``nodes`` are those that get it."""

    name: str
    before: Overlay | None
    after: Overlay | None
    nodes: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def as_diff(self) -> list[dict[str, str]]:
        """Return before and after of each file that differs."""
        before, after = (
            {file.name: file for file in overlay.files} if overlay else {} for overlay in (self.before, self.after)
        )
        return [
            {
                "before_header": f"{self.name}/{name}",
                "after_header": f"{self.name}/{name}",
                "before": _shown(before.get(name)),
                "after": _shown(after.get(name)),
            }
            for name in sorted({**before, **after})
            if before.get(name) != after.get(name)
        ]


def change_overlay(
    name: str, files: Iterable[Mapping[str, Any]] | None, config: ClusterConfig, *, present: bool, check: bool
) -> OverlayPlan:
    """Have an overlay consist of ``files``, options of the module, or not be there; unless this is a ``check``.

    With None for files it must be there, and stays as it is. Raises :class:`PerceusError` when a node that gets it
    could not be given it.
    """
    parse_overlay_name(name)
    with contextlib.nullcontext() if check else locked(config.lock, what="the registry"):
        if not check:
            sweep_overlays(config.overlays)
        plan = _decide(name, files, config, present=present)
        if plan.changed and not check:
            _apply(plan, config.overlays)
    return plan


def require_usable(name: str, registry: Registry, config: ClusterConfig, *given: Overlay) -> tuple[str, ...]:
    """Return the names of the nodes that get an overlay by the registry, each of which can be given it.

    ``given`` are overlays that are to be. Raises :class:`PerceusError`, which names the first node that cannot.
    """
    composer = Composer(registry, config, *given)
    check_overlay(composer.overlay(name))
    nodes = find_nodes(name, registry, default_vnfs=config.default_vnfs)
    for node in nodes:
        try:
            composer.compose(registry.by_name[node])
        except PerceusError as error:
            raise PerceusError(f"{error.msg} (node {node})", hint=error.hint) from error
    return tuple(nodes)


def activate(
    name: str, registry: Registry, config: ClusterConfig, *, scope: str, of: str | None, active: bool
) -> Registry:
    """Return the registry in which an overlay is active, or not, in a scope.

    Raises :class:`PerceusError` when there is no such VNFS or node, or a node that would get it could not be given it.
    """
    if scope == "vnfs" and active and of is not None:
        require_vnfs(of, [vnfs.name for vnfs in list_vnfs(config.store)], f"the nodes of overlay {name!r}")
    after = set_active(registry, parse_overlay_name(name), scope=scope, of=of, active=active)
    if active:
        require_usable(name, after, config)
    return after


def _decide(
    name: str, files: Iterable[Mapping[str, Any]] | None, config: ClusterConfig, *, present: bool
) -> OverlayPlan:
    registry = load_registry(config.registry)
    before = load_overlay(config.overlays, name) if name in list_overlays(config.overlays) else None
    if not present:
        _refuse_active(name, registry)
        return OverlayPlan(name, before, None, ())
    after = before if files is None else Overlay(name, _take_files(name, files))
    if after is None:
        raise PerceusError(f"Cannot make overlay {name!r} of nothing", hint="Say what files it has")
    return OverlayPlan(name, before, after, require_usable(name, registry, config, after))


def _refuse_active(name: str, registry: Registry) -> None:
    scopes = find_scopes(name, registry)
    users = ["all nodes"] if scopes["all"] else []
    for what, key in (("VNFS", "vnfs"), ("group", "groups"), ("node", "own_nodes")):
        users += [f"{what} {user}" for user in scopes[key]]
    if users:
        named = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if users[5:] else "")
        raise PerceusError(f"Cannot remove overlay {name!r}: it is active for {named}", hint="Deactivate it first")


def _take_files(name: str, entries: Iterable[Mapping[str, Any]]) -> tuple[SourceFile, ...]:
    files = {}
    for entry in entries:
        if not _MODE.fullmatch(entry["mode"]):
            raise PerceusError(f"Cannot use {entry['mode']!r} as the mode of {entry['path']!r}", hint="Write 0644")
        path = check_name(entry["path"], overlay=name)
        if path in files:
            raise PerceusError(f"Cannot make overlay {name!r}: {path!r} is there twice", hint="Say it once")
        files[path] = SourceFile(path, int(entry["mode"], 8), entry["content"].encode())
    return tuple(files[path] for path in sorted(files))


def _apply(plan: OverlayPlan, sources: Path) -> None:
    """Write the new one beside and swap; :func:`sweep_overlays` goes back if this is cut short."""
    folder, beside, old = (sources / name for name in (plan.name, f".{plan.name}{NEW}", f".{plan.name}{OLD}"))
    try:
        sources.mkdir(mode=0o755, exist_ok=True)
        for file in plan.after.files if plan.after else ():
            path = beside / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, file.content, mode=file.mode)
        if folder.exists():
            folder.rename(old)
        if plan.after:
            os.makedirs(beside, exist_ok=True)
            beside.rename(folder)
        sync_folder(sources)
        if old.exists():
            shutil.rmtree(old)
    except OSError as error:
        raise PerceusError(f"Cannot write overlay {plan.name!r}: {error.strerror} ({error.filename!r})") from error


def _shown(file: SourceFile | None) -> str:
    if file is None:
        return ""
    if file.target:
        return f"link to {file.target}\n"
    try:
        return f"mode {file.mode:04o}\n{file.content.decode()}"
    except UnicodeDecodeError:
        return f"mode {file.mode:04o}\n{len(file.content)} bytes that are no text\n"
