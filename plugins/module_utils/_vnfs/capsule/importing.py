# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a VNFS from a capsule: look at all of it, unpack it beside, compare it with its manifest, and swap it in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..._errors import PerceusError
from ..._space import nearest_folder
from ..build.build import load_current
from ..phases import Phases
from ..recipe.recipe import Plan as RecipePlan
from ..recipe.recipe import Recipe, parse_recipe, save_recipe
from ..sources import plain_source
from ..sources.capsule import Capsule
from ..store import Vnfs, building, install_tree, refuse_mounts
from ..work.session import refuse_others
from .archive import Archive, free_room
from .capsule import Header, check_capsule, unpack_capsule

# What is taken over of a stranger's recipe: nothing that would have this master give away a file of its own.
TAKEN = ("node_files", "base_packages", "kernel_package", "packages", "source_date_epoch")


@dataclass(frozen=True)
class ImportPlan:
    """What importing does. ``current`` is the recipe of the tree that is there, ``wanted`` that of the capsule's;
    ``header`` is None when nothing is to be done.
    """

    vnfs: str
    checksum: str
    current: Recipe | None
    wanted: Recipe
    header: Header | None

    @property
    def changed(self) -> bool:
        return self.header is not None

    @property
    def action(self) -> str:
        if not self.changed:
            return "none"
        return "import" if self.current is None else "replace"

    def as_diff(self) -> dict[str, str]:
        return RecipePlan(self.vnfs, self.current, self.wanted).as_diff()


def plan_import(vnfs: Vnfs, archive: Archive, source: Capsule, *, force: bool, phases: Phases) -> ImportPlan:
    """Look at all of a capsule and decide; writes nothing.

    A VNFS that was imported from it is left as it is. Any other that is there is replaced only by ``force``.
    """
    with phases.measured("checksum"):
        checksum = archive.require_checksum(source.checksum)
    current = load_current(vnfs)
    if current is not None and not force:
        if isinstance(current.source, Capsule) and current.source.checksum == checksum:
            return ImportPlan(vnfs.name, checksum, current, current, None)
        raise PerceusError(
            f"Cannot import into VNFS {vnfs.name!r}: it is there already",
            hint="Use another name, or set force to true, which discards its tree",
            vnfs=vnfs.name,
        )
    if current is not None:
        refuse_others(vnfs, "replace")
        refuse_mounts(vnfs.rootfs, "replace")
    with phases.measured("check", sample=archive.position, total=archive.size):
        header = check_capsule(archive, room=free_room(nearest_folder(vnfs.folder)), devices=source.devices)
    wanted = adopt(header, replace(source, checksum=checksum))
    return ImportPlan(vnfs.name, checksum, current, wanted, header)


def adopt(header: Header, source: Capsule) -> Recipe:
    """Return the recipe for a tree from a capsule."""
    stranger = parse_recipe({**header.recipe, "source": plain_source(source)})
    # what may be published though it looks like a secret, and by whose key, is for this master to say
    options = replace(stranger.options, allow_secrets=(), signing_key="")
    return Recipe(source=source, options=options, **{key: getattr(stranger, key) for key in TAKEN})


def apply_import(plan: ImportPlan, vnfs: Vnfs, archive: Archive, *, phases: Phases) -> None:
    """Unpack, verify and swap in; needs the lock."""
    if not plan.changed:
        return
    with building(vnfs, "import") as folder:
        unpack_capsule(archive, folder, phases=phases)
        save_recipe(folder / "vnfs.yml", plan.wanted)
        install_tree(vnfs, folder)
