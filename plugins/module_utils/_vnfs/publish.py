# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish a VNFS: kernel, initramfs, root file system and their description become an immutable generation.

Everything is written beside, synced and renamed, then ``current`` is flipped: killed at any point, what was served
before is still served.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._boot.images import FORMAT, INITRAMFS, KERNEL, ROOT, VERSION
from .._errors import PerceusError
from .._files import sync_folder, write_atomically
from .._process import Runner
from .manifest import MACHINE_ID, Manifest, hash_stream, walk_tree
from .options import Options
from .phases import Phases
from .sandbox import MortalRunner, Sandbox
from .store import Vnfs, building, current_generation, flip, list_generations, refuse_mounts, remove_generation

INSIDE = "/run/perceus"  # where the image's folder is shown in the sandbox
DRACUT_MODULES = "base perceus"

_KERNEL = re.compile(r"boot/vmlinuz-([A-Za-z0-9][A-Za-z0-9.+~_-]*)", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """What publishing does. ``current`` is the generation served now; ``pruned`` are those that go."""

    vnfs: str
    manifest: Manifest
    options: Options
    kernel_release: str
    generation: str
    current: str | None
    published: tuple[str, ...]

    @property
    def action(self) -> str:
        if self.generation == self.current:
            return "none"
        return "flip" if self.generation in self.published else "publish"

    @property
    def pruned(self) -> tuple[str, ...]:
        others = [name for name in self.published if name != self.generation]
        return tuple(others[: max(0, len(others) + 1 - self.options.keep)])

    @property
    def changed(self) -> bool:
        return self.action != "none" or bool(self.pruned)


def plan_publish(vnfs: Vnfs, options: Options) -> Plan:
    """Look at the tree and decide; needs the lock, writes nothing."""
    vnfs.require_tree()
    refuse_mounts(vnfs.rootfs, "publish")
    manifest = walk_tree(vnfs.rootfs)
    generation = manifest.generation(options.shaping)
    published, current = list_generations(vnfs), current_generation(vnfs)
    if generation in published and not is_whole(vnfs.images / generation):
        published.remove(generation)
    return Plan(
        vnfs=vnfs.name,
        manifest=manifest,
        options=options,
        kernel_release=find_kernel_release((entry.name for entry in manifest.entries), wanted=options.kernel),
        generation=generation,
        current=current if current in published else None,
        published=tuple(published),
    )


def is_whole(image: Path) -> bool:
    """Whether the files of a published image are those that its header describes."""
    try:
        described = json.loads((image / "image.json").read_bytes())["files"]
        return {KERNEL, INITRAMFS, ROOT} <= set(described) and all(
            _file_facts(image / name) == facts for name, facts in described.items()
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


def find_kernel_release(names: Iterable[str], *, wanted: str = "") -> str:
    """Return the release of the kernel that is wanted, or of the newest, among the files of a tree."""
    releases = [match[1] for match in map(_KERNEL.fullmatch, names) if match]
    if not releases:
        raise PerceusError("Cannot publish without a kernel: the tree has no /boot/vmlinuz-*", hint="Install one")
    if wanted:
        if wanted not in releases:
            raise PerceusError(
                f"Cannot publish kernel {wanted!r}: the tree has {', '.join(sorted(releases))}",
                hint="Set the option kernel to one of these, or to nothing for the newest",
            )
        return wanted
    return max(
        releases,
        key=lambda release: [
            (part.isdigit(), int(part) if part.isdigit() else part) for part in re.findall(r"\d+|\D+", release)
        ],
    )


def apply_publish(plan: Plan, vnfs: Vnfs, *, runner: Runner) -> Phases:
    """Publish what the plan says; needs the lock."""
    phases = Phases()
    if plan.action == "publish":
        with building(vnfs) as folder:
            image = folder / plan.generation
            image.mkdir()
            with phases.measured("initramfs"):
                _make_initramfs(plan, vnfs, image, runner)
            with phases.measured("squashfs"):
                MortalRunner(runner)(build_mksquashfs_argv(plan, rootfs=vnfs.rootfs, target=image / ROOT))
            with phases.measured("describe"):
                _describe(plan, image)
            vnfs.images.mkdir(mode=0o755, exist_ok=True)
            if (vnfs.images / plan.generation).exists():  # and is not whole
                remove_generation(vnfs, plan.generation)
            os.rename(image, vnfs.images / plan.generation)
            sync_folder(vnfs.images)
    if plan.action != "none":
        flip(vnfs, plan.generation)
    for name in plan.pruned:
        remove_generation(vnfs, name)
    return phases


def _make_initramfs(plan: Plan, vnfs: Vnfs, image: Path, runner: Runner) -> None:
    """Have the tree's own programs write kernel and initramfs: no link of the tree is followed outside it."""
    sandbox = Sandbox(vnfs.rootfs, runner, read_only=True, shared={image: INSIDE})
    sandbox(("cp", "--dereference", "--", f"/boot/vmlinuz-{plan.kernel_release}", f"{INSIDE}/{KERNEL}"))
    sandbox(build_dracut_argv(plan))
    for name in (KERNEL, INITRAMFS):
        (image / name).chmod(0o644)


def build_dracut_argv(plan: Plan) -> list[str]:
    """Return the command line, run inside the tree, that makes a node's first stage and nothing more."""
    return [
        *("dracut", "--quiet", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--reproducible"),
        *("--compress", f"zstd -{plan.options.compression_level} -T0"),
        *("--modules", DRACUT_MODULES, "--tmpdir", "/tmp"),  # noqa: S108 - the sandbox's own
        *("--kver", plan.kernel_release, f"{INSIDE}/{INITRAMFS}"),
    ]


def build_mksquashfs_argv(plan: Plan, *, rootfs: Path, target: Path) -> list[str]:
    """Return the command line that packs the tree, less what is scrubbed, with an empty machine id."""
    return [
        *("mksquashfs", str(rootfs), str(target), "-noappend", "-no-progress", "-quiet", "-xattrs"),
        *("-comp", "zstd", "-Xcompression-level", str(plan.options.compression_level)),
        *("-p", f"{MACHINE_ID} F 0 444 0 0 true"),  # its content is what true(1) prints
        *(("-e", *plan.manifest.scrubbed) if plan.manifest.scrubbed else ()),
    ]


def _describe(plan: Plan, image: Path) -> None:
    """Write manifest, checksums and header, and have all of the image on disk."""
    write_atomically(image / "manifest.json", plan.manifest.render())
    files = {name: _file_facts(image / name) for name in (KERNEL, INITRAMFS, ROOT)}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "vnfs": plan.vnfs,
        "generation": plan.generation,
        "kernel_release": plan.kernel_release,
        "kernel_args": plan.options.kernel_args,
        "root_mode": plan.options.root_mode,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": files,
        "tree_size": plan.manifest.size,
        "tree_files": len(plan.manifest.entries),
    }
    write_atomically(image / "image.json", json.dumps(header, indent=1) + "\n")
    described = [*files, "manifest.json", "image.json"]
    sums = "".join(f"{_file_facts(image / name)['sha256']}  {name}\n" for name in described)
    write_atomically(image / "SHA256SUMS", sums)


def _file_facts(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        return {"sha256": hash_stream(stream), "size": os.fstat(stream.fileno()).st_size}
