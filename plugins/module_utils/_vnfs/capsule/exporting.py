# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a VNFS into a capsule or an OCI image: the tree as a publish would, or a published generation."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..._errors import PerceusError
from ..._files import sync_folder, write_atomically
from ..._process import Runner
from ..._space import room_in
from ..build.build import load_tree
from ..image.manifest import Manifest
from ..phases import Phases, size_of
from ..publish.publish import plan_publish
from ..publish.unpacking import unpack_image
from ..recipe.recipe import Recipe, plain_recipe
from ..report.content import load_options
from ..store import Vnfs, building, discard, list_generations, remove_tree
from . import capsule, oci_image

CAPSULES = Path("/var/lib/perceus/capsules")
SUFFIXES = {"vnfs": capsule.SUFFIX, "oci": oci_image.SUFFIX}
GENERATION = "[0-9a-f]" * 16  # as a glob
KEPT = ("source", "authorized_keys", "root_password_hash", "includes")  # of a recipe: its master's own


@dataclass(frozen=True)
class ExportPlan:
    """What exporting does. ``manifest`` is the tree's, None when the image of ``generation`` is to be exported;
    ``checksum`` is that of what is in ``target`` already; ``push`` is the name under which an OCI image is to be had
    from elsewhere as well, and ``pushed`` its digest there.
    """

    vnfs: str
    generation: str
    recipe: Recipe
    manifest: Manifest | None
    form: str
    target: Path
    checksum: str | None
    push: str | None = None
    pushed: str | None = None

    @property
    def action(self) -> str:
        if self.checksum is None:
            return "export"
        return "push" if self.push and self.pushed != self.checksum else "none"

    @property
    def changed(self) -> bool:
        return self.action != "none"

    def as_diff(self) -> dict[str, str]:
        before = [str(self.target)] if self.checksum else []
        pushed = [f"{self.push} {self.pushed}"] if self.pushed else []
        after = [f"{self.push} {self.checksum or self.generation}"] if self.push else []
        return {
            "before": "".join(f"{line}\n" for line in [*before, *pushed]),
            "after": "".join(f"{line}\n" for line in [str(self.target), *(after if self.changed else pushed)]),
        }


def plan_export(
    vnfs: Vnfs,
    *,
    folder: Path,
    runner: Runner,
    form: str = "vnfs",
    generation: str | None = None,
    push: str | None = None,
) -> ExportPlan:
    """Decide what to export, and whether it is there; needs the lock, writes nothing."""
    if push is not None:
        if form != "oci":
            raise PerceusError("Cannot push a capsule: registries take OCI images", hint="Set format to oci")
        push = oci_image.parse_reference(push)
    recipe = load_tree(vnfs)
    manifest = None
    if generation is None:
        publishing = plan_publish(vnfs, recipe)
        manifest, generation = publishing.manifest, publishing.generation
    elif generation in list_generations(vnfs):
        recipe = replace(recipe, options=load_options(vnfs, generation))
    else:
        raise PerceusError(
            f"Cannot export generation {generation!r} of VNFS {vnfs.name!r}: it is not published", vnfs=vnfs.name
        )
    target = folder / f"{vnfs.name}-{generation}{SUFFIXES[form]}"
    checksum = oci_image.find_digest(target) if form == "oci" else _find_whole(target)
    pushed = oci_image.find_pushed(push, runner=runner) if push else None
    return ExportPlan(vnfs.name, generation, recipe, manifest, form, target, checksum, push, pushed)


def _find_whole(target: Path) -> str | None:
    """Return the checksum of a capsule that is what the file beside it says."""
    try:
        said = f"sha256:{_sum_file(target).read_text().split()[0]}"
        return said if capsule.find_checksum(target) == said else None
    except (OSError, IndexError):
        return None


def _sum_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def apply_export(plan: ExportPlan, vnfs: Vnfs, *, runner: Runner, phases: Phases) -> str:
    """Write and push what the plan says, for root only, and return its checksum; needs the lock."""
    with room_in(plan.target.parent, verb="export", what=f"VNFS {plan.vnfs!r}"):
        checksum = plan.checksum or _write(plan, vnfs, runner=runner, phases=phases)
    if plan.push and plan.pushed != checksum:
        with phases.measured("push"):
            oci_image.push_image(plan.target, plan.push, tag=plan.generation, runner=runner)
    return checksum


def _write(plan: ExportPlan, vnfs: Vnfs, *, runner: Runner, phases: Phases) -> str:
    plan.target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with building(vnfs, "export") as scratch, _beside(plan) as beside:
        rootfs, manifest = vnfs.rootfs, plan.manifest
        if manifest is None:
            rootfs = scratch / "image" / capsule.TREE
            rootfs.parent.mkdir()
            manifest = unpack_image(vnfs.images / plan.generation, rootfs, runner=runner, phases=phases)
        with phases.measured("pack", sample=size_of(beside)):
            if plan.form == "oci":
                oci_image.pack_image(
                    manifest, rootfs=rootfs, scratch=scratch, layout=beside, tag=plan.generation, runner=runner
                )
            else:
                header = _describe(plan, manifest)
                capsule.pack_capsule(header, manifest, rootfs=rootfs, scratch=scratch, target=beside, runner=runner)
        with phases.measured("checksum"):
            checksum = oci_image.require_digest(beside) if plan.form == "oci" else capsule.find_checksum(beside)
        beside.chmod(0o700 if beside.is_dir() else 0o600)
        if plan.target.is_dir():
            remove_tree(plan.target)  # it is not whole
        os.replace(beside, plan.target)
    if plan.form != "oci":
        write_atomically(_sum_file(plan.target), f"{checksum.partition(':')[2]}  {plan.target.name}\n")
    return checksum


@contextlib.contextmanager
def _beside(plan: ExportPlan) -> Iterator[Path]:
    """Give a name in a new folder beside the target, and remove that folder, and what killed processes left of any
    generation.
    """
    target = plan.target
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield folder / target.name
    finally:
        for left in target.parent.glob(f".{plan.vnfs}-{GENERATION}{SUFFIXES[plan.form]}.*"):
            discard(left)
        sync_folder(target.parent)


def _describe(plan: ExportPlan, manifest: Manifest) -> capsule.Header:
    return capsule.Header(
        vnfs=plan.vnfs,
        generation=plan.generation,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        files=len(manifest.entries),
        bytes=manifest.size,
        manifest=hashlib.sha256(manifest.render().encode()).hexdigest(),
        recipe={key: value for key, value in plain_recipe(plan.recipe).items() if key not in KEPT},
    )
