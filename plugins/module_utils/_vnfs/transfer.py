# SPDX-License-Identifier: GPL-3.0-or-later
"""Export a VNFS into a capsule, and import one: decide, then write beside and rename."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .._boot.images import ROOT
from .._errors import PerceusError
from .._files import sync_folder, write_atomically
from .._process import Runner
from .acls import ACLS
from .archive import Archive, free_room
from .build import load_current, load_tree
from .capsule import (
    SUFFIX,
    TREE,
    Header,
    check_capsule,
    differing_name,
    find_checksum,
    pack_capsule,
    require_checksum,
    unpack_capsule,
)
from .fields import take_fields
from .manifest import Manifest, walk_tree
from .options import Options
from .phases import Phases
from .publish import plan_publish
from .recipe import Plan as RecipePlan
from .recipe import Recipe, parse_recipe, plain_recipe, save_recipe
from .sandbox import MortalRunner, Sandbox
from .sources import plain_source
from .sources.capsule import Capsule
from .store import Vnfs, building, install_tree, list_generations, refuse_mounts

CAPSULES = Path("/var/lib/perceus/capsules")
# Of a recipe: what belongs to its master, and what is taken from a stranger's, which is nothing that names files here.
KEPT = ("authorized_keys", "root_password_hash", "includes")
TAKEN = ("node_files", "base_packages", "kernel_package", "packages", "source_date_epoch")


@dataclass(frozen=True)
class ExportPlan:
    """What exporting does. ``manifest`` is the tree's, None when the image of ``generation`` is to be exported;
    ``checksum`` is that of the capsule which is there already.
    """

    vnfs: str
    generation: str
    recipe: Recipe
    manifest: Manifest | None
    target: Path
    checksum: str | None

    @property
    def changed(self) -> bool:
        return self.checksum is None

    @property
    def action(self) -> str:
        return "export" if self.changed else "none"

    def as_diff(self) -> dict[str, str]:
        name = f"{self.target}\n"
        return {"before": "" if self.changed else name, "after": name}


def plan_export(vnfs: Vnfs, *, folder: Path, generation: str | None = None) -> ExportPlan:
    """Decide what to export: the tree as a publish would, or a published generation; needs the lock, writes nothing."""
    recipe = load_tree(vnfs)
    manifest = None
    if generation is None:
        publishing = plan_publish(vnfs, recipe)
        manifest, generation = publishing.manifest, publishing.generation
    elif generation in list_generations(vnfs):
        recipe = replace(recipe, options=_load_options(vnfs.images / generation))
    else:
        raise PerceusError(
            f"Cannot export generation {generation!r} of VNFS {vnfs.name!r}: it is not published", vnfs=vnfs.name
        )
    target = folder / f"{vnfs.name}-{generation}{SUFFIX}"
    return ExportPlan(vnfs.name, generation, recipe, manifest, target, _whole(target))


def _load_options(image: Path) -> Options:
    """Return the options that made an image."""
    try:
        return take_fields(Options, json.loads((image / "image.json").read_bytes())["options"], what="the options")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PerceusError(
            f"Cannot export generation {image.name!r}: its image.json is broken", hint="Publish it again"
        ) from error


def _whole(capsule: Path) -> str | None:
    """Return the checksum of a capsule that is what the file beside it says."""
    try:
        said = _sum_file(capsule).read_text().split()[0]
        return f"sha256:{said}" if find_checksum(capsule) == f"sha256:{said}" else None
    except (OSError, IndexError):
        return None


def _sum_file(capsule: Path) -> Path:
    return capsule.with_name(f"{capsule.name}.sha256")


def apply_export(plan: ExportPlan, vnfs: Vnfs, *, runner: Runner, phases: Phases) -> str:
    """Write what the plan says, for root only, and return its checksum; needs the lock."""
    if plan.checksum is not None:
        return plan.checksum
    plan.target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with building(vnfs) as scratch, _beside(plan.target) as beside:
        rootfs, manifest = vnfs.rootfs, plan.manifest
        if manifest is None:
            rootfs = scratch / "image" / TREE
            manifest = _unpack_image(vnfs.images / plan.generation, rootfs, runner=runner, phases=phases)
        with phases.measured("pack"):
            header = _describe(plan, manifest)
            pack_capsule(header, manifest, rootfs=rootfs, scratch=scratch, target=beside, runner=runner)
        with phases.measured("checksum"):
            checksum = find_checksum(beside)
        os.replace(beside, plan.target)
        write_atomically(_sum_file(plan.target), f"{checksum.partition(':')[2]}  {plan.target.name}\n")
    return checksum


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give an empty file beside the target, and remove what is left of it, also of one by a process that was killed."""
    prefix = f".{target.name}."
    try:
        descriptor, name = tempfile.mkstemp(prefix=prefix, dir=target.parent)
        os.close(descriptor)
        yield Path(name)
    finally:
        for left in target.parent.glob(f"{prefix}*"):
            left.unlink()
        sync_folder(target.parent)


def _describe(plan: ExportPlan, manifest: Manifest) -> Header:
    return Header(
        vnfs=plan.vnfs,
        generation=plan.generation,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        files=len(manifest.entries),
        bytes=manifest.size,
        manifest=hashlib.sha256(manifest.render().encode()).hexdigest(),
        recipe={key: value for key, value in plain_recipe(plan.recipe).items() if key not in KEPT},
    )


def _unpack_image(image: Path, rootfs: Path, *, runner: Runner, phases: Phases) -> Manifest:
    """Unpack a published image, and return its manifest, with which the tree was compared."""
    rootfs.parent.mkdir()
    with phases.measured("unpack"):
        argv = ("unsquashfs", "-quiet", "-no-progress", "-dest", str(rootfs), str(image / ROOT))
        MortalRunner(runner)(argv)
        if (rootfs / ACLS).is_file():
            Sandbox(rootfs, runner)(("setfacl", f"--restore=/{ACLS}"))
    with phases.measured("verify"):
        manifest = walk_tree(rootfs)
        different = differing_name((image / "manifest.json").read_text(), manifest.render())
    if different is not None:
        raise PerceusError(
            f"Cannot export generation {image.name!r}: {different!r} is not what its manifest says",
            hint="Export the tree, or publish it again",
        )
    return manifest


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
        checksum = require_checksum(archive.file, source.checksum)
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
        refuse_mounts(vnfs.rootfs, "replace")
    with phases.measured("check"):
        header = check_capsule(archive, room=free_room(_nearest(vnfs.folder)), devices=source.devices)
    wanted = _adopt(header, replace(source, checksum=checksum))
    return ImportPlan(vnfs.name, checksum, current, wanted, header)


def _nearest(folder: Path) -> Path:
    """The folder, or what there is of those above it."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _adopt(header: Header, source: Capsule) -> Recipe:
    """Return the recipe for a tree from a capsule."""
    stranger = parse_recipe({**header.recipe, "source": plain_source(source)})
    # what may be published though it looks like a secret is for this master to say
    options = replace(stranger.options, allow_secrets=())
    return Recipe(source=source, options=options, **{key: getattr(stranger, key) for key in TAKEN})


def apply_import(plan: ImportPlan, vnfs: Vnfs, archive: Archive, *, runner: Runner, phases: Phases) -> None:
    """Unpack, verify and swap in; needs the lock."""
    if not plan.changed:
        return
    with building(vnfs) as folder:
        unpack_capsule(archive, folder, runner=runner, phases=phases)
        save_recipe(folder / "vnfs.yml", plan.wanted)
        install_tree(vnfs, folder)
