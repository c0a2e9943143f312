# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a plan for a VNFS: build its tree beside the old one and swap, bring it up to date, or remove it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..._errors import PerceusError
from ..._process import Runner
from ..image.kernel import find_kernel_release, find_kernels
from ..image.seen import save_seen
from ..image.tree import walk_vnfs
from ..phases import Phases, growth_on
from ..publish.initramfs import DRACUT, Initramfs, provide_initramfs
from ..publish.signing import load_signer
from ..recipe.options import OPTION_NAMES
from ..recipe.recipe import Plan, Recipe, load_recipe, parse_recipe, plain_recipe, save_recipe
from ..sources import SOURCES, plain_source, want_source
from ..sources.clone import Clone
from ..sources.order import Order
from ..store import STORE, Vnfs, building, install_tree, remove_vnfs, vnfs_in
from ..work.sandbox import Sandbox, inside
from .families import UNKNOWN, load_family
from .includes import copy_include, digest_include

NODE_FILES = Path("/usr/local/lib/perceus/node")
INSIDE = "/run/perceus"  # where the node files are shown in the sandbox

UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
ENABLED = (
    "systemd-networkd.service",
    "systemd-resolved.service",
    "perceus-heartbeat.timer",
    "perceus-nodescripts.service",
    "perceus-ready.service",
)
# Of no use where the root is in RAM and new at each boot.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "dracut-shutdown.service",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "man-db.timer",
)
HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def load_tree(vnfs: Vnfs) -> Recipe:
    """Return the recipe of a tree that there must be. Raises :class:`PerceusError` also for one of unknown origin."""
    vnfs.require_tree()
    recipe = load_recipe(vnfs.recipe_file)
    if recipe is None:
        raise PerceusError(
            f"Cannot work on VNFS {vnfs.name!r}: {str(vnfs.rootfs)!r} has no vnfs.yml beside it",
            hint="Move the folder away if it was not made here",
            vnfs=vnfs.name,
        )
    return recipe


def load_current(vnfs: Vnfs) -> Recipe | None:
    """Return the recipe of the tree that exists, None when there is none."""
    return load_tree(vnfs) if os.path.lexists(vnfs.rootfs) else None


def want_recipe(
    asked: Mapping[str, Any], *, current: Recipe | None, node_files: Path = NODE_FILES, store: Path = STORE
) -> Recipe:
    """Return the recipe that a module's options ask for. What is None is not said: an existing VNFS keeps what it has,
    a new one gets the default, or what the one has that it is cloned from.
    """
    source = want_source({name: asked.get(name) for name in SOURCES}, current=current.source if current else None)
    said = {key: value for key, value in asked.items() if value is not None and key not in SOURCES}
    if current is None and isinstance(source, Clone):
        current = load_tree(vnfs_in(store, source.vnfs))
    values = plain_recipe(current) if current else {}
    configured = {key: said.pop(key) for key in OPTION_NAMES if key in said}
    options = {**values.get("options", {}), **configured}
    if said or not configured or "node_files" not in values:  # who says nothing but options leaves the tree alone
        values["node_files"] = digest_files(node_files)
        values["includes"] = [digest_include(include) for include in said.pop("includes", values.get("includes", []))]
    return parse_recipe({**values, **said, "source": plain_source(source), "options": options})


def digest_files(folder: Path) -> str:
    """Return the SHA-256, in hex, of the names, modes and contents of all files below ``folder``."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_mode:o}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def apply_plan(plan: Plan, vnfs: Vnfs, *, runner: Runner, node_files: Path = NODE_FILES) -> Phases:
    """Do what the plan says; needs the lock. Cut short at any point, the old tree is there, or the new one whole."""
    phases = Phases(vnfs.progress)
    if plan.action == "remove":
        with phases.measured("remove"):
            remove_vnfs(vnfs)
    elif plan.wanted is not None and plan.action == "update":
        _update(plan, plan.wanted, vnfs, runner, phases, node_files)
    elif plan.wanted is not None and plan.changed:
        _build(plan.wanted, vnfs, runner, phases, node_files)
    return phases


def _build(recipe: Recipe, vnfs: Vnfs, runner: Runner, phases: Phases, node_files: Path) -> None:
    with building(vnfs) as folder:
        sandbox = Sandbox(folder / "rootfs", runner, shown={node_files: INSIDE})
        with phases.measured("bootstrap", sample=growth_on(folder)):
            order = Order(vnfs, recipe.all_packages(), recipe.source_date_epoch, runner, phases)
            recipe.source.make_tree(sandbox.rootfs, order)
        if not recipe.source.installs_packages:
            with phases.measured("packages", sample=growth_on(folder)):
                family = load_family(sandbox) if recipe.source.base_packages is None else UNKNOWN
                recipe.source.add_packages(sandbox, recipe.all_packages(family))
        with phases.measured("configure"):
            _lay_foundation(sandbox)
            _configure(sandbox, recipe)
            if recipe.source_date_epoch is not None:
                settle_times(sandbox.rootfs, epoch=recipe.source_date_epoch)
        with phases.measured("initramfs"):
            _prepare_initramfs(recipe, vnfs, folder, runner, phases)
        save_recipe(folder / "vnfs.yml", recipe)
        install_tree(vnfs, folder)


def _prepare_initramfs(recipe: Recipe, vnfs: Vnfs, folder: Path, runner: Runner, phases: Phases) -> None:
    """Make the initramfs that the first image is to have, if there is all that it needs; and know the tree by then."""
    manifest, seen = walk_vnfs(vnfs, recipe, rootfs=folder / "rootfs", phases=phases)
    names = frozenset(entry.name for entry in manifest.entries)
    if find_kernels(names) and DRACUT in names:
        release = find_kernel_release(names, wanted=recipe.options.kernel)
        wanted = Initramfs(release, recipe.options, manifest.entries, load_signer(recipe.options.signing_key))
        provide_initramfs(wanted, vnfs, folder / "rootfs", folder, runner=runner)
    save_seen(vnfs.seen, seen)


def settle_times(rootfs: Path, *, epoch: int) -> None:
    """Let no file of a tree be younger than ``epoch``, in seconds since 1970."""
    for _folder, folders, files, descriptor in os.fwalk(rootfs):
        for name in (".", *folders, *files):
            if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mtime > epoch:
                os.utime(name, (epoch, epoch), dir_fd=descriptor, follow_symlinks=False)


def _update(plan: Plan, recipe: Recipe, vnfs: Vnfs, runner: Runner, phases: Phases, node_files: Path) -> None:
    sandbox = Sandbox(vnfs.rootfs, runner, shown={node_files: INSIDE})
    if plan.missing_packages:
        with phases.measured("packages", sample=growth_on(vnfs.folder)):
            recipe.source.add_packages(sandbox, plan.missing_packages)
    if plan.configures:
        with phases.measured("configure"):
            _configure(sandbox, recipe)
    save_recipe(vnfs.recipe_file, recipe)


def _lay_foundation(sandbox: Sandbox) -> None:
    """Once for each new tree: afterwards these belong to whoever edits it."""
    sandbox(("rm", "-f", "/etc/hostname"))  # the master's; a node has its name from the kernel's command line
    sandbox(("tee", "/etc/hosts"), stdin=HOSTS)


def _configure(sandbox: Sandbox, recipe: Recipe) -> None:
    """Bring into the tree what the recipe says beside packages. Each step may be repeated."""
    sandbox(("cp", "--recursive", "--no-target-directory", "--", INSIDE, "/"))
    for verb, units in (("enable", ENABLED), ("mask", MASKED)):
        there = find_units(sandbox.rootfs, units)
        if there:
            sandbox(("systemctl", "--quiet", verb, *there))
    sandbox(("install", "-d", "-m", "0700", "/root/.ssh"))
    keys = "".join(f"{key}\n" for key in recipe.authorized_keys)
    sandbox(("install", "-m", "0600", "/dev/stdin", "/root/.ssh/authorized_keys"), stdin=keys)
    for include in recipe.includes:
        copy_include(include, sandbox)
    sandbox(("chpasswd", "--encrypted"), stdin=f"root:{recipe.root_password_hash or '*'}\n")


def find_units(rootfs: Path, units: Iterable[str]) -> list[str]:
    """Return those of ``units`` that a tree has. Not every distribution has them all, and without systemd none counts:
    such a tree cannot be published, but completed.
    """
    if not os.path.lexists(inside(rootfs, "/usr/bin/systemctl")):
        return []
    return [unit for unit in units if any(os.path.lexists(inside(rootfs, f"{folder}/{unit}")) for folder in UNITS)]
