# SPDX-License-Identifier: GPL-3.0-or-later
"""What the master knows of a VNFS, for an operator to read. What is broken is named, and hides nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..._boot.images import INITRAMFS, ROOT
from ..._errors import PerceusError
from ..._nodes.machines import Machine, load_machines
from ..._process import Runner
from ..recipe.options import Options
from ..recipe.recipe import Recipe, load_recipe, plain_recipe
from ..store import Vnfs, current_generation, list_generations, list_vnfs, vnfs_in
from ..work.session import load_session
from .content import CURRENT, TREE, Content, Header, load_content, load_header
from .sizes import find_limits, largest_packages, largest_paths, measure_savings, memory_floor

GATHERED = ("sizes", "packages", "hybridize")


@dataclass(frozen=True)
class Wanted:
    """What is asked for beside what is cheap: parts of ``GATHERED``, ``count`` lines of each list of largest things."""

    gather: Collection[str]
    count: int


def find_vnfs(store: Path, name: str | None) -> list[Vnfs]:
    """Return the VNFS of this name, or all; raises :class:`PerceusError` when the one that is named does not exist."""
    if name is None:
        return [vnfs for vnfs in list_vnfs(store) if vnfs.folder.is_dir()]
    vnfs = vnfs_in(store, name)
    if not vnfs.folder.is_dir():
        raise PerceusError(f"Cannot describe VNFS {name!r}: there is none of that name", hint="Build it", vnfs=name)
    return [vnfs]


def load_nodes(config: Path, **files: Path) -> tuple[Machine, ...]:
    """Return the nodes as :func:`load_machines` does; a host that is no cluster's master has none."""
    return load_machines(config, **files).nodes if config.exists() else ()


def describe_vnfs(vnfs: Vnfs, nodes: Sequence[Machine], wanted: Wanted, *, runner: Runner) -> dict[str, Any]:
    """Return all that is known; ``faults`` are reasons why something is not."""
    faults: list[str] = []
    recipe = _load_recipe(vnfs, faults)
    current = current_generation(vnfs)
    headers = {name: _load_header(vnfs, name, faults) for name in list_generations(vnfs)}
    served = headers.get(current) if current else None
    found: dict[str, Any] = {
        "name": vnfs.name,
        "source": recipe.source.type if recipe else None,
        "recipe": _plain_recipe(recipe) if recipe else None,
        "options": _plain_options(recipe.options) if recipe else None,
        "tree": vnfs.rootfs.is_dir(),
        "mounted": _load_session(vnfs, faults),
        "current": current,
        "created": served.created if served else None,
        "kernel_release": served.kernel_release if served else None,
        "image_size": served.size_of(ROOT) if served else None,
        "memory_floor": memory_floor(served) if served else None,
        "generations": [
            {"generation": name, "current": name == current, **_plain_header(header), "nodes": _running(name, nodes)}
            for name, header in headers.items()
        ],
        "nodes": [
            {"name": node.name, "generation": node.facts["generation"], "state": node.facts["state"]}
            for node in nodes
            if node.facts["vnfs"] == vnfs.name
        ],
    }
    try:
        found.update(_gather(vnfs, recipe, served, wanted, runner))
    except PerceusError as error:
        faults.append(str(error))
    return {**found, "faults": faults}


def _load_recipe(vnfs: Vnfs, faults: list[str]) -> Recipe | None:
    try:
        return load_recipe(vnfs.recipe_file)
    except PerceusError as error:
        faults.append(str(error))
        return None


def _load_session(vnfs: Vnfs, faults: list[str]) -> dict[str, str] | None:
    try:
        session = load_session(vnfs)
    except PerceusError as error:
        faults.append(str(error))
        return None
    return asdict(session) if session else None


def _load_header(vnfs: Vnfs, generation: str, faults: list[str]) -> Header | None:
    try:
        return load_header(vnfs, generation)
    except PerceusError as error:
        faults.append(str(error))
        return None


def _plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """The recipe without the options, and without the hash of root's password."""
    values = plain_recipe(recipe)
    del values["options"]
    values["root_password_hash"] = "(hidden)" if recipe.root_password_hash else ""
    return values


def _plain_options(options: Options) -> dict[str, dict[str, Any]]:
    """Each option's value, and whether it was chosen for this VNFS or is what all have."""
    default = asdict(Options())
    return {
        name: {"value": value, "origin": "default" if value == default[name] else "vnfs"}
        for name, value in asdict(options).items()
    }


def _plain_header(header: Header | None) -> dict[str, Any]:
    return {
        "created": header.created if header else None,
        "kernel_release": header.kernel_release if header else None,
        "kernel_args": header.kernel_args if header else None,
        "image_size": header.size_of(ROOT) if header else None,
        "initramfs_size": header.size_of(INITRAMFS) if header else None,
        "tree_size": header.tree_size if header else None,
        "tree_files": header.tree_files if header else None,
    }


def _running(generation: str, nodes: Iterable[Machine]) -> list[str]:
    return [node.name for node in nodes if node.facts["generation"] == generation]


def _gather(vnfs: Vnfs, recipe: Recipe | None, served: Header | None, wanted: Wanted, runner: Runner) -> dict[str, Any]:
    """The parts that mean reading much: of what is served, else of the tree."""
    gathered: dict[str, Any] = {}
    if "sizes" in wanted.gather or "packages" in wanted.gather:
        content = load_content(vnfs, CURRENT if served else TREE, runner=runner)
        if "sizes" in wanted.gather:
            gathered["sizes"] = _plain_sizes(content, count=wanted.count)
        if "packages" in wanted.gather:
            gathered["packages"] = [asdict(package) for package in content.installed.packages]
    if "hybridize" in wanted.gather and recipe is not None and recipe.options.hybridize:
        manifest = load_content(vnfs, TREE, runner=runner).manifest
        savings = measure_savings(vnfs.rootfs, manifest, recipe.options, runner=runner)
        gathered["hybridize"] = [asdict(saving) for saving in savings]
    return gathered


def _plain_sizes(content: Content, *, count: int) -> dict[str, Any]:
    limits = find_limits(content.header) if content.header else ()
    return {
        "of": content.label,
        "tree_size": content.manifest.size,
        "packages": [asdict(usage) for usage in largest_packages(content.installed, count=count)],
        "paths": [
            {**asdict(usage), "name": f"/{usage.name}"}
            for usage in largest_paths(content.manifest.entries, count=count)
        ],
        "limits": [{**asdict(limit), "crossed": limit.crossed} for limit in limits],
    }
