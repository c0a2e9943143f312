# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish a VNFS: kernel, initramfs, root file system and their description become an immutable generation.

Everything is written beside, synced and renamed, then ``current`` is flipped: killed at any point, what was served
before is still served.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from ..._boot.images import FORMAT, HYBRID, INITRAMFS, KERNEL, ROOT, VERSION
from ..._errors import PerceusError
from ..._files import sync_folder, write_atomically
from ..._process import Runner
from ..image.acls import ACLS
from ..image.bootable import DISK_PROGRAMS, require_programs
from ..image.kernel import find_kernel_release, find_kernels
from ..image.manifest import Manifest, hash_stream
from ..image.patterns import compile_patterns
from ..image.scrub import MACHINE_ID
from ..image.secrets import Secret
from ..image.seen import Seen, save_seen
from ..image.tree import walk_vnfs
from ..phases import Phases, size_of
from ..recipe.fields import plain
from ..recipe.options import Options
from ..recipe.recipe import Recipe
from ..report.packages import load_installed
from ..store import Vnfs, building, current_generation, flip, list_generations, refuse_mounts, remove_generation
from ..work.sandbox import Sandbox
from .hybrid import TEXT, Hybrid, render_hybrid_additions, render_text_additions, split
from .initramfs import INSIDE, Initramfs, lent_folder, provide_initramfs, take_file
from .retention import Retention, Running, plan_retention
from .signing import SUMS, load_signer, sign_image
from .squashfs import pack_squashfs

SETFACL = "usr/bin/setfacl"
OWN = "usr/lib/perceus"


@dataclass(frozen=True)
class Plan:
    """What publishing does. ``current`` is the generation served now; ``pruned`` are those that go; ``running`` says
    which nodes run a generation.

    ``epoch`` is the image's own date, in seconds since 1970, None for now. Secrets of the manifest are those that the
    operator lets into the image.
    """

    vnfs: str
    manifest: Manifest
    options: Options
    kernel_release: str
    generation: str
    current: str | None
    published: tuple[str, ...]
    signer: str = ""
    epoch: int | None = None
    seen: Seen = field(default_factory=Seen)
    running: Running = field(default_factory=dict)

    @property
    def action(self) -> str:
        if self.generation == self.current:
            return "none"
        return "flip" if self.generation in self.published else "publish"

    @property
    def initramfs(self) -> Initramfs:
        return Initramfs(self.kernel_release, self.options, self.manifest.entries, self.signer)

    @cached_property
    def hybrid(self) -> Hybrid | None:
        return split(self.manifest, self.options.hybridize)

    @cached_property
    def retention(self) -> Retention:
        published = [name for name in self.published if name != self.generation]
        return plan_retention(
            [*published, self.generation], served=self.generation, keep=self.options.keep, running=self.running
        )

    @property
    def pruned(self) -> tuple[str, ...]:
        return self.retention.pruned

    @property
    def changed(self) -> bool:
        return self.action != "none" or bool(self.pruned)


def plan_publish(vnfs: Vnfs, recipe: Recipe, *, phases: Phases | None = None, running: Running | None = None) -> Plan:
    """Look at the tree and decide; needs the lock, writes nothing but what ``phases`` tell.

    Raises :class:`PerceusError` when the tree holds what may not be published, or cannot be.
    """
    vnfs.require_tree()
    refuse_mounts(vnfs.rootfs, "publish")
    options = recipe.options
    allow = compile_patterns(options.allow_secrets)
    manifest, seen = walk_vnfs(vnfs, recipe, phases=phases)
    _refuse_secrets(vnfs, [secret for secret in manifest.secrets if not allow.match(secret.name, is_folder=False)])
    _require_acl_tools(vnfs, manifest)
    signer = load_signer(options.signing_key)
    generation = manifest.generation((*options.shaping, *([signer] if signer else [])))
    published, current = list_generations(vnfs), current_generation(vnfs)
    if generation in published and not is_whole(vnfs.images / generation, vnfs=vnfs.name):
        published.remove(generation)
    return Plan(
        vnfs=vnfs.name,
        manifest=manifest,
        seen=seen,
        options=options,
        kernel_release=find_kernel_release((entry.name for entry in manifest.entries), wanted=options.kernel),
        generation=generation,
        current=current if current in published else None,
        published=tuple(published),
        signer=signer,
        epoch=recipe.source_date_epoch,
        running=running or {},
    )


def require_bootable(plan: Plan) -> None:
    """Raise :class:`PerceusError` when nodes could not come up with what the plan publishes."""
    entries = plan.hybrid.staying if plan.hybrid else plan.manifest.entries
    names = {entry.name for entry in entries}
    require_programs(plan.vnfs, names, DISK_PROGRAMS if plan.options.root_mode == "disk" else {})


def _refuse_secrets(vnfs: Vnfs, secrets: Sequence[Secret]) -> None:
    if secrets:
        named = ", ".join(f"{'/' + secret.name!r} ({secret.kind})" for secret in secrets)
        raise PerceusError(
            f"Cannot publish VNFS {vnfs.name!r}: it holds {named}",
            hint="Remove it, or name in the option allow_secrets what anyone on the private network may read",
            secrets=[asdict(secret) for secret in secrets],
        )


def _require_acl_tools(vnfs: Vnfs, manifest: Manifest) -> None:
    """Nodes restore access control lists by the tree's own setfacl, from a file in a real folder."""
    kinds = {entry.name: entry.kind for entry in manifest.entries}
    if not manifest.acls:
        return
    if SETFACL not in kinds:
        first = next(entry.name for entry in manifest.entries if entry.has_acls)
        raise PerceusError(
            f"Cannot publish VNFS {vnfs.name!r}: {'/' + first!r} has an access control list, the tree has no setfacl",
            hint="Install the package acl in the tree",
        )
    folder = str(PurePosixPath(ACLS).parent)
    if kinds.get(folder) != "folder":
        raise PerceusError(f"Cannot publish VNFS {vnfs.name!r}: {'/' + folder!r} is no folder", hint="Build it again")


def is_whole(image: Path, *, vnfs: str) -> bool:
    """Whether a published image is one of this VNFS, with the files that its header describes."""
    try:
        header = json.loads((image / "image.json").read_bytes())
        described = header["files"]
        return (
            header["vnfs"] == vnfs
            and {KERNEL, INITRAMFS, ROOT} <= set(described)
            and all(_file_facts(image / name) == facts for name, facts in described.items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def diff_images(plan: Plan, vnfs: Vnfs) -> dict[str, str]:
    """Return what publishing changes, file by file: the lines of both manifests that differ."""
    before: list[str] = []
    if plan.current is not None:
        with contextlib.suppress(FileNotFoundError):  # what is served now is broken
            before = _entry_lines((vnfs.images / plan.current / "manifest.json").read_text())
    after = _entry_lines(plan.manifest.render())
    kept = set(before) & set(after)
    return {
        "before_header": f"{plan.vnfs} {plan.current or '(not published)'}",
        "after_header": f"{plan.vnfs} {plan.generation}",
        "before": "".join(f"{line}\n" for line in before if line not in kept),
        "after": "".join(f"{line}\n" for line in after if line not in kept),
    }


def _entry_lines(manifest: str) -> list[str]:
    return [line.rstrip(",") for line in manifest.splitlines()[1:-1]]


def apply_publish(plan: Plan, vnfs: Vnfs, *, runner: Runner, phases: Phases | None = None) -> Phases:
    """Publish what the plan says; needs the lock."""
    phases = phases or Phases(vnfs.progress)
    if plan.action == "publish":
        with building(vnfs, "publish", needed=_estimate_size(plan, vnfs)) as folder:
            image = folder / plan.generation
            image.mkdir()
            with phases.measured("initramfs"):
                _copy_kernel(plan, vnfs, image, runner)
                provide_initramfs(plan.initramfs, vnfs, vnfs.rootfs, image, runner=runner)
            with phases.measured("squashfs", sample=size_of(image / ROOT)), ThreadPoolExecutor(max_workers=1) as pool:
                describing = pool.submit(_describe_tree, plan, vnfs, image, runner)
                _make_squashfs(plan, vnfs, folder, image, runner)  # here, where a signal ends it
                describing.result()
            with phases.measured("describe"):
                _describe_image(plan, image)
                sign_image(image, plan.options.signing_key, runner=runner)
            vnfs.images.mkdir(mode=0o755, exist_ok=True)
            if (vnfs.images / plan.generation).exists():  # and is not whole
                remove_generation(vnfs, plan.generation)
            os.rename(image, vnfs.images / plan.generation)
            sync_folder(vnfs.images)
    with contextlib.suppress(PerceusError):  # the next walk takes longer
        save_seen(vnfs.seen, plan.seen)
    if plan.action != "none":
        flip(vnfs, plan.generation)
    for name in plan.pruned:
        remove_generation(vnfs, name)
    return phases


def _estimate_size(plan: Plan, vnfs: Vnfs) -> int:
    """Bytes that the image will have: those of the one before, else what zstd usually makes of a tree."""
    try:
        return (vnfs.current / ROOT).stat().st_size
    except OSError:
        return plan.manifest.size // 3


def _copy_kernel(plan: Plan, vnfs: Vnfs, image: Path, runner: Runner) -> None:
    """Have the tree's own program read the kernel: no link of the tree is followed outside it."""
    kernel = find_kernels(entry.name for entry in plan.manifest.entries)[plan.kernel_release]
    with lent_folder(image) as lent:
        sandbox = Sandbox(vnfs.rootfs, runner, read_only=True, lent={lent: INSIDE})
        sandbox(("cp", "--dereference", "--", f"/{kernel}", f"{INSIDE}/{KERNEL}"))
        take_file(lent / KERNEL, image)


def _make_squashfs(plan: Plan, vnfs: Vnfs, folder: Path, image: Path, runner: Runner) -> None:
    """Pack the tree; ``folder`` takes what is written for mksquashfs alone."""

    def pack(name: str, left_out: Sequence[str], more: Sequence[str]) -> None:
        level = plan.options.compression_level
        pack_squashfs(
            vnfs.rootfs, image / name, left_out=left_out, level=level, scratch=folder, runner=runner, more=more
        )

    hybrid = plan.hybrid
    acls = folder / "acls"
    acls.write_bytes(os.fsencode(hybrid.acls if hybrid else plan.manifest.acls))
    if hybrid is None:
        pack(ROOT, plan.manifest.left_out, render_additions(plan, acls, image))
    else:
        text, all_acls = folder / "text", folder / "all-acls"
        text.write_text(TEXT)
        all_acls.write_bytes(os.fsencode(plan.manifest.acls))
        pack(
            ROOT, hybrid.left_out_of_image, (*render_additions(plan, acls, image), *render_text_additions(hybrid, text))
        )
        pack(HYBRID, hybrid.left_out_of_hybrid, (*_render_date(plan), *render_hybrid_additions(hybrid, all_acls)))


def render_additions(plan: Plan, acls: Path, image: Path) -> tuple[str, ...]:
    """Return the options of mksquashfs that date the image and give it what no tree has.

    What is installed on disks boots from there, after a livesync too: it has kernel and initramfs, those in the folder
    ``image``, and its generation, in words of a shell and of GRUB. Their time, in seconds since 1970, is each
    generation's own: livesync takes a file of the same size and time for the same one.
    """
    own_time = int(plan.generation[:7], 16)
    on_disk = {
        f"{OWN}/vmlinuz": ("cat", str(image / KERNEL)),
        f"{OWN}/initramfs.img": ("cat", str(image / INITRAMFS)),
        f"{OWN}/generation": ("echo", f"generation={plan.generation}"),
    }
    added = {
        MACHINE_ID: ("true",),
        **({ACLS: ("cat", str(acls))} if plan.manifest.acls else {}),
        **(on_disk if plan.options.root_mode == "disk" else {}),
    }
    return (
        *_render_date(plan),
        # The content is what the command prints.
        *(
            word
            for name, argv in added.items()
            for word in ("-p", f"{name} F {own_time if name in on_disk else 0} 444 0 0 {shlex.join(argv)}")
        ),
    )


def _render_date(plan: Plan) -> tuple[str, ...]:
    return ("-mkfs-time", str(plan.epoch)) if plan.epoch is not None else ()


def _describe_tree(plan: Plan, vnfs: Vnfs, image: Path, runner: Runner) -> None:
    """Write what is known before the image is packed: files and packages."""
    write_atomically(image / "manifest.json", plan.manifest.render())
    write_atomically(image / "packages.json", load_installed(vnfs.rootfs, runner=runner).render())


def _describe_image(plan: Plan, image: Path) -> None:
    """Write header and checksums, and have all of the image on disk."""
    served = (KERNEL, INITRAMFS, ROOT, *([HYBRID] if plan.hybrid else []))
    described = (*served, "manifest.json", "packages.json")
    with ThreadPoolExecutor() as pool:
        syncing = [pool.submit(_sync_file, image / name) for name in described]
        facts = dict(zip(described, pool.map(lambda name: _file_facts(image / name), described)))
    for synced in syncing:
        synced.result()
    header = {
        "format": FORMAT,
        "version": VERSION,
        "vnfs": plan.vnfs,
        "generation": plan.generation,
        "kernel_release": plan.kernel_release,
        "kernel_args": plan.options.kernel_args,
        "root_mode": plan.options.root_mode,
        "options": plain(plan.options),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": {name: facts[name] for name in served},
        "tree_size": plan.manifest.size,
        "tree_files": len(plan.manifest.entries),
    }
    write_atomically(image / "image.json", json.dumps(header, indent=1) + "\n")
    facts["image.json"] = _file_facts(image / "image.json")
    sums = "".join(f"{fact['sha256']}  {name}\n" for name, fact in facts.items())
    write_atomically(image / SUMS, f"# generation {plan.generation}\n{sums}")


def _sync_file(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _file_facts(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        return {"sha256": hash_stream(stream), "size": os.fstat(stream.fileno()).st_size}
