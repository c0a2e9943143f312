# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconciler: whatever happened, make registry, boot scripts, DHCP and DNS entries what they should be now.

Level-triggered: it looks at what is, never at what changed, so it may be started at any time, twice, or after a crash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .._boot.dnsmasq import DNS_HOSTS
from .._boot.files import apply_folder, plan_folder
from .._boot.grub import LOADER as GRUB
from .._boot.hosts import name_nodes
from .._boot.images import INITRAMFS, KERNEL, Image, load_current_image, load_images
from .._boot.links import apply_links, plan_links
from .._boot.overrides import FILE as OVERRIDES
from .._boot.render import BootFiles, render_boot_files
from .._config import ClusterConfig
from .._errors import PerceusError
from .._files import locked, remove_remains
from .._nodes.registry import Registry
from .._nodes.registry_file import load_registry
from .._overlays.archive import discard_unused
from .._overlays.provide import find_problems, provide_archives
from .._overlays.source import sweep_overlays
from .._process import CommandRunner
from .adopting import adopt
from .journal import say_in_journal

GULP = 0.2  # seconds between rounds: a storm of machines leaves the processors to dnsmasq, and the lock to others


def reload_dnsmasq() -> None:
    """Have dnsmasq read its files anew; one that is not running does so when it starts."""
    CommandRunner()(["systemctl", "try-reload-or-restart", "dnsmasq.service"], timeout=30)


def run(
    load: Callable[[], ClusterConfig],
    *,
    reload: Callable[[], None] = reload_dnsmasq,
    say: Callable[[str], None] = say_in_journal,
) -> int:
    """Reconcile until configuration, leases, registry and images have stood still for a whole round; return the exit
    status.

    A path unit does not start its service again for what changes while that runs; hence the rounds, be they many.
    ``load`` returns the configuration as it is now, ``reload`` makes dnsmasq read its files anew, ``say`` takes a line
    for the journal. Raises :class:`PerceusError` when nothing can be done; what can be worked around, such as the
    broken image of one VNFS, is said once and makes the status 1 if it is so at the end.
    """
    told: set[str] = set()
    config = load()
    while True:
        before = _marks(config)
        with locked(config.lock, what="the registry"):
            problems = [str(problem) for problem in _reconcile(config, reload=reload, say=say)]
        for problem in problems:
            if problem not in told:
                say(problem)
        told.update(problems)
        config, previous = load(), config
        if config == previous and _marks(config) == before:
            return 1 if problems else 0
        time.sleep(GULP)


def _reconcile(config: ClusterConfig, *, reload: Callable[[], None], say: Callable[[str], None]) -> list[PerceusError]:
    for kept in (config.registry, config.machines, config.evidence):
        remove_remains(kept)
    sweep_overlays(config.overlays)
    registry, problems = adopt(config, load_registry(config.registry), say=say)
    images = _load_images(registry, config)
    archives = provide_archives(registry, config)
    files = render_boot_files(registry, config, images, archives)
    # The boot script is last: a machine that finds it can already be reached by its name and address.
    problems += _tell_dnsmasq(config, files.dnsmasq, reload=reload, say=say)
    try:
        name_nodes(files.dnsmasq[DNS_HOSTS])
    except PerceusError as error:
        problems.append(error)
    problems += _keep_scripts(config, files, images, say=say)
    used = {archive for archive in archives.values() if isinstance(archive, str)}
    for sha256 in discard_unused(config.overlay_archives, used, now=time.time()):
        say(f"removed overlay-archives/{sha256}")
    broken = (image for image in images.values() if isinstance(image, PerceusError))
    return [*problems, *broken, *find_problems(archives), *files.problems.values()]


def _keep_scripts(
    config: ClusterConfig,
    files: BootFiles,
    images: Mapping[str, Image | PerceusError | None],
    *,
    say: Callable[[str], None],
) -> list[PerceusError]:
    """Keep the boot loaders' files, those of GRUB where the role boot_server offers it; return what could not be."""
    by_grub = (config.tftp / GRUB).exists()
    bootable = [image for image in images.values() if isinstance(image, Image) and by_grub]
    kernels = [(image, file) for image in bootable for file in (KERNEL, INITRAMFS)]
    problems = apply_links(plan_links(config.tftp / "kernels", kernels, store=config.store))
    if config.nfs.exists():  # where the role nfs_server exports it; a node's root stays there as long as its generation
        mounted = [(image, file) for image in load_images(config.store) for file in image.over_nfs]
        problems += apply_links(plan_links(config.nfs, mounted, store=config.store))
    grub = files.grub if by_grub else {}
    for folder, wanted in ((config.state_dir / "boot", files.boot), (config.tftp / "grub", grub)):
        scripts = plan_folder(folder, wanted)
        apply_folder(scripts)
        for line in scripts.describe():
            say(line)
    return problems


def _tell_dnsmasq(
    config: ClusterConfig, files: Mapping[str, str], *, reload: Callable[[], None], say: Callable[[str], None]
) -> list[PerceusError]:
    """Give dnsmasq its files; return what kept it from reading them."""
    plan = plan_folder(config.state_dir / "dnsmasq", files)
    # Left behind by a run that was killed, or failed, before dnsmasq knew: the next one tells it.
    stale = config.state_dir / ".dnsmasq-is-stale"
    if plan.differs:
        stale.touch()
    apply_folder(plan)
    for line in plan.describe():
        say(line)
    if stale.exists():
        try:
            reload()
        except PerceusError as error:
            return [error]
        stale.unlink()
    return []


def _load_images(registry: Registry, config: ClusterConfig) -> dict[str, Image | PerceusError | None]:
    """Return the image of each VNFS in use; an error stands for one that cannot be booted."""
    images: dict[str, Image | PerceusError | None] = {}
    for vnfs in registry.vnfs_in_use(default=config.default_vnfs):
        try:
            images[vnfs] = load_current_image(config.store, vnfs)
        except PerceusError as error:
            images[vnfs] = error
    return images


def _marks(config: ClusterConfig) -> list[tuple[int, int, int] | None]:
    """Return what changes whenever a file does that the outcome follows from."""
    served = sorted([*config.store.glob("*/current"), *config.store.glob(f"*/{OVERRIDES}")])
    return [_mark(path) for path in (config.leases, config.boots, config.registry, config.overlays, *served)]


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
