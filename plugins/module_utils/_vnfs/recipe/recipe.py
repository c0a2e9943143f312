# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of a VNFS, its file ``vnfs.yml``, and what a change of it asks for."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ..._boot.overrides import FILE as OVERRIDES
from ..._errors import PerceusError
from ..._files import write_atomically
from ..build.families import UNKNOWN, Family
from ..build.includes import Include
from ..sources import parse_source, plain_source
from ..sources.base import Source
from .check import PACKAGE, SHA256, check
from .fields import plain, take_fields
from .options import Options

T = TypeVar("T")

_HASH = re.compile(r"\$[!-9;-~]+", re.ASCII)  # crypt(5): printable, no colon
_KEY = re.compile(r"[^\x00-\x1f\x7f]+")
_HEAD = "# The recipe of this VNFS, written by the module perceus.cluster.vnfs.\n"


@dataclass(frozen=True)
class Recipe:
    """What a VNFS is made from, and how its image is.

    ``base_packages`` and ``kernel_package`` are None for what the source itself takes, an empty name is no kernel; an
    empty ``root_password_hash`` locks the password; ``source_date_epoch`` is in seconds since 1970; ``node_files`` is
    the digest of the files that go into every VNFS.
    """

    source: Source
    node_files: str
    base_packages: tuple[str, ...] | None = None
    kernel_package: str | None = None
    packages: tuple[str, ...] = ()
    authorized_keys: tuple[str, ...] = ()
    root_password_hash: str = ""
    source_date_epoch: int | None = None
    includes: tuple[Include, ...] = field(default=(), metadata={"of": Include})
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        check("node files' digest", self.node_files, SHA256)
        if self.root_password_hash and not _HASH.fullmatch(self.root_password_hash):
            raise PerceusError("Cannot use the root password's hash: it is not in the form of crypt(5)")
        for package in self.all_packages():
            check("package", package, PACKAGE)
        for key in self.authorized_keys:
            check("authorized key", key, _KEY)

    def all_packages(self, family: Family = UNKNOWN) -> tuple[str, ...]:
        """Return every package that is asked for, each once; ``family`` is the tree's, for a source that leaves it to
        that.
        """
        base = _first(self.base_packages, self.source.base_packages, family.base_packages)
        kernel = _first(self.kernel_package, self.source.kernel_package, family.kernel_package)
        return tuple(dict.fromkeys((*base, *([kernel] if kernel else ()), *self.packages)))


def _first(said: T | None, proposed: T | None, otherwise: T) -> T:
    """The first of these that is not None."""
    return next((value for value in (said, proposed) if value is not None), otherwise)


def parse_recipe(values: Mapping[str, Any]) -> Recipe:
    """Turn the fields of ``vnfs.yml`` into a recipe; raises :class:`PerceusError` when they do not make one."""
    source, options = values.get("source"), values.get("options", {})
    if not isinstance(source, Mapping) or not isinstance(options, Mapping):
        raise PerceusError("Cannot use the recipe: 'source' and 'options' are no mappings")
    parts = {"source": parse_source(source), "options": take_fields(Options, options, what="the options")}
    return take_fields(Recipe, {**values, **parts}, what="the recipe")


def plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of ``vnfs.yml``."""
    return {"source": plain_source(recipe.source), **{k: v for k, v in plain(recipe).items() if k != "source"}}


def render_recipe(recipe: Recipe) -> str:
    """Return the text of ``vnfs.yml``."""
    return _HEAD + str(_yaml().safe_dump(plain_recipe(recipe), sort_keys=False))


def load_recipe(file: Path) -> Recipe | None:
    """Return the recipe in ``vnfs.yml``, None when there is no such file."""
    yaml = _yaml()
    try:
        values = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PerceusError(f"Cannot read {str(file)!r}: {error}") from error
    if not isinstance(values, dict):
        raise PerceusError(f"Cannot read {str(file)!r}: not a recipe")
    return parse_recipe(values)


def save_recipe(file: Path, recipe: Recipe) -> None:
    """Write ``vnfs.yml``, for root only: it may hold a password's hash; and what the boot path reads of it."""
    write_atomically(file, render_recipe(recipe), mode=0o600)
    write_atomically(file.with_name(OVERRIDES), json.dumps(plain(recipe.options)["overrides"], indent=1) + "\n")


def _yaml() -> ModuleType:
    try:
        return importlib.import_module("yaml")
    except ImportError as error:
        raise PerceusError("Cannot read vnfs.yml: PyYAML is missing", hint="Install python3-yaml") from error


@dataclass(frozen=True)
class Plan:
    """What to do about a VNFS. ``current`` is the recipe of the tree that exists, ``wanted`` None to remove it."""

    name: str
    current: Recipe | None
    wanted: Recipe | None
    from_scratch: bool = False

    @property
    def action(self) -> str:
        if self.wanted is None:
            return "none" if self.current is None else "remove"
        if self.current is None:
            return "build"
        if self.from_scratch:
            return "rebuild"
        return "none" if self.current == self.wanted else "update"

    @property
    def changed(self) -> bool:
        return self.action != "none"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be said aloud about a tree that is made."""
        return self.wanted.source.warnings if self.wanted and self.action in ("build", "rebuild") else ()

    @property
    def missing_packages(self) -> tuple[str, ...]:
        """The packages that an update installs."""
        if self.current is None or self.wanted is None:
            return ()
        return tuple(package for package in self.wanted.packages if package not in self.current.packages)

    @property
    def configures(self) -> bool:
        """Whether an update touches the tree, and not only the options."""
        return (
            self.current is None
            or self.wanted is None
            or replace(self.current, options=self.wanted.options) != self.wanted
        )

    def as_diff(self) -> dict[str, str]:
        header = f"{self.name}/vnfs.yml"
        return {
            "before_header": header,
            "after_header": header,
            "before": _shown(self.current),
            "after": _shown(self.wanted),
        }


def plan_vnfs(name: str, current: Recipe | None, wanted: Recipe | None, *, from_scratch: bool = False) -> Plan:
    """Decide what to do; raises :class:`PerceusError` when a tree would have to be thrown away unasked."""
    if current is not None and wanted is not None and not from_scratch:
        before, after = _foundation(current), _foundation(wanted)
        for key in sorted({**before, **after}):
            if before.get(key) != after.get(key):
                raise PerceusError(
                    f"Cannot change {key} of VNFS {name!r} from {before.get(key)!r} to {after.get(key)!r} in its tree",
                    hint="Build it again with state 'rebuilt', which discards what was changed in the tree",
                    vnfs=name,
                )
    return Plan(name, current, wanted, from_scratch)


def _foundation(recipe: Recipe) -> dict[str, Any]:
    """What a tree is made from, and is not changed in."""
    kept = ("base_packages", "kernel_package", "source_date_epoch")
    return {**plain_source(recipe.source), **{key: getattr(recipe, key) for key in kept}}


def _shown(recipe: Recipe | None) -> str:
    """The text of a recipe for people, without the hash."""
    if recipe is None:
        return ""
    lines = render_recipe(recipe).splitlines(keepends=True)
    hidden = "root_password_hash: (hidden)\n"
    return "".join(hidden if line.startswith("root_password_hash: $") else line for line in lines)
