# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw away what was changed in a tree since it was published."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace

from ..._process import Runner
from ..image.tree import walk_vnfs
from ..phases import Phases
from ..publish.unpacking import unpack_image
from ..recipe.recipe import Recipe
from ..report.content import CURRENT, TREE, Content, load_content, load_options
from ..report.difference import Difference, diff_contents
from ..report.packages import load_installed
from ..store import Vnfs, building, install_tree, refuse_mounts
from .occupants import refuse_occupants
from .session import Session, load_session, refuse_others


@dataclass(frozen=True)
class ClosePlan:
    """``generation`` is what the tree goes back to, ``lost`` what that changes in it."""

    generation: str
    lost: Difference
    session: Session | None

    @property
    def action(self) -> str:
        return "close" if self.lost.files else "none"

    @property
    def changed(self) -> bool:
        return self.action != "none" or self.session is not None

    def as_diff(self) -> dict[str, str]:
        return {"prepared": self.lost.render()}


def plan_close(vnfs: Vnfs, recipe: Recipe, *, force: bool, runner: Runner, phases: Phases) -> ClosePlan:
    """Compare the tree with what is served; needs the lock, writes nothing but what ``phases`` tell.

    Raises :class:`PerceusError` when nothing is published, and while others, processes or mounts are in the tree.
    """
    if not force:
        refuse_others(vnfs, "close")
    refuse_mounts(vnfs.rootfs, "replace")
    refuse_occupants(vnfs, "close")
    published = load_content(vnfs, CURRENT, runner=runner)
    # as it was published: what is excluded since then is no change of the tree
    options = load_options(vnfs, published.label)
    manifest, _seen = walk_vnfs(vnfs, replace(recipe, options=options), phases=phases)
    installed = load_installed(vnfs.rootfs, runner=runner)
    tree = Content(vnfs.name, TREE, published.created, manifest, installed, None)
    return ClosePlan(published.label, diff_contents(tree, published, runner=runner), load_session(vnfs))


def apply_close(plan: ClosePlan, vnfs: Vnfs, *, runner: Runner, phases: Phases) -> None:
    """Unpack the image beside, compare it with its manifest, and swap; needs the lock."""
    if plan.action == "close":
        with building(vnfs) as folder:
            unpack_image(vnfs.images / plan.generation, folder / "rootfs", runner=runner, phases=phases)
            shutil.copy2(vnfs.recipe_file, folder / "vnfs.yml")
            install_tree(vnfs, folder)
    vnfs.mounted.unlink(missing_ok=True)
