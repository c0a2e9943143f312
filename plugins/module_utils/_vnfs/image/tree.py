# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a VNFS as its image would have it: read once, then only what changed."""

from __future__ import annotations

from pathlib import Path

from ..phases import Phases
from ..recipe.recipe import Recipe
from ..store import Vnfs
from . import scrub, secrets
from .manifest import Manifest, walk_tree
from .patterns import compile_patterns
from .secrets import Detector
from .seen import Seen, load_seen


def walk_vnfs(
    vnfs: Vnfs, recipe: Recipe, *, rootfs: Path | None = None, phases: Phases | None = None
) -> tuple[Manifest, Seen]:
    """Return what an image of the tree would hold, and what to know in the next walk.

    ``rootfs`` is the tree when it is not in its place yet. Writes nothing but what ``phases`` tell.
    """
    exclude, detector = compile_patterns(recipe.options.exclude), Detector(recipe.root_password_hash)
    seen = load_seen(vnfs.seen, conditions=(*exclude.texts, repr(detector), *scrub.RULES, *secrets.RULES))
    with (phases or Phases()).measured("walk", sample=lambda: len(seen.as_fields()), unit="files"):
        return walk_tree(rootfs or vnfs.rootfs, exclude=exclude, find_secret=detector, seen=seen), seen
