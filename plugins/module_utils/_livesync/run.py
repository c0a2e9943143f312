# SPDX-License-Identifier: GPL-3.0-or-later
"""Livesync as a whole: one generation, many nodes, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from .._config import load_config
from .._errors import PerceusError
from .._fanout import fan_out
from .._files import locked
from .._names import parse_vnfs_name
from .._namespaces import enter_private_mounts
from .._nodes.machines import Machine, load_machines
from .._process import Runner
from .._ssh import Login
from .._vnfs.image.patterns import Patterns, compile_patterns
from .._vnfs.recipe.options import Options as VnfsOptions
from .._vnfs.recipe.options import resolve
from .._vnfs.recipe.recipe import load_recipe
from .._vnfs.store import lock_vnfs, vnfs_in
from .deltas import Deltas
from .push import Options, Push, Pushed
from .source import load_kernel, load_source, mount_source
from .targets import select_targets


@dataclass(frozen=True)
class Livesync:
    """What became of every node, in the order of the registry or of the names given."""

    generation: str
    outcomes: Mapping[Login, Pushed | PerceusError]

    @property
    def changed(self) -> bool:
        return any(isinstance(outcome, Pushed) and outcome.changed for outcome in self.outcomes.values())

    @property
    def failed(self) -> list[str]:
        return [login.name for login, outcome in self.outcomes.items() if isinstance(outcome, PerceusError)]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return a module's result of each node; what is not known of a node that failed is null."""
        return [
            {"name": login.name, "address": str(login.address), **_facts(outcome)}
            for login, outcome in self.outcomes.items()
        ]

    def as_diff(self) -> list[dict[str, str]]:
        """Return the paths that changed, a text for each node."""
        return [
            {"before_header": login.name, "prepared": "".join(f"{item}\n" for item in outcome.transfer.items)}
            for login, outcome in self.outcomes.items()
            if isinstance(outcome, Pushed) and outcome.transfer.items
        ]


def livesync(config_file: Path, *, vnfs: str, names: Sequence[str], options: Options, runner: Runner) -> Livesync:
    """Bring the nodes called ``names``, or all of ``vnfs`` that are up, to the generation served now.

    What the VNFS's own option ``livesync_skip`` names, or an override of it, is skipped too.
    Moves this process into a mount namespace of its own.
    Raises :class:`PerceusError` when nothing can be done; what goes wrong with a node is its outcome.
    """
    config = load_config(config_file)
    targets = select_targets(load_machines(config_file).nodes, vnfs=parse_vnfs_name(vnfs), names=names)
    logins = [
        Login(node.name, IPv4Address(node.facts["address"]), config.state_dir / "known_hosts") for node in targets
    ]
    # What is being pushed is not pruned meanwhile
    stored = vnfs_in(config.store, vnfs)
    with locked(config.state_dir / ".livesync.lock", what="livesync"), lock_vnfs(stored):
        source = load_source(config.store, vnfs)
        enter_private_mounts()
        mount_source(source, runner)
        recipe = load_recipe(stored.recipe_file)
        kept = recipe.options if recipe else VnfsOptions()
        skips = {
            node.name: _join_skips((*options.skip.texts, *source.hybridized.texts), kept, node) for node in targets
        }
        drifts = {node.name: str(node.facts.get("drifted") or "") for node in targets}
        deltas = Deltas(stored, source, partial(config.delta_url, vnfs), runner)
        push = Push(
            source=source,
            options=options,
            kernel_of=partial(load_kernel, config.store, vnfs),
            delta_of=deltas,
            must_read_all=cache(deltas.must_read_all),
            skip_of=skips.__getitem__,
            drift_of=drifts.__getitem__,
            runner=runner,
        )
        return Livesync(source.generation, fan_out(push, logins, forks=options.forks))


def _join_skips(skip: Sequence[str], kept: VnfsOptions, node: Machine) -> Patterns:
    """Return what is left alone on a node: for all nodes, and by the VNFS's options for this one."""
    patterns, _origin = resolve(kept, group=node.facts["group"], node=node.name)["livesync_skip"]
    return compile_patterns((*skip, *patterns))


def _facts(outcome: Pushed | PerceusError) -> dict[str, Any]:
    if isinstance(outcome, PerceusError):
        unknown = ("method", "reason", "changes", "bytes", "seconds", "needs_reboot")
        return {"error": str(outcome), **dict.fromkeys(unknown)}
    return {
        "error": None,
        "method": outcome.method,
        "reason": outcome.reason,
        "changes": len(outcome.transfer.items),
        "bytes": outcome.transfer.sent,
        "seconds": outcome.seconds,
        "needs_reboot": outcome.needs_reboot,
    }
