# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of a VNFS, its file ``vnfs.yml``, and what a change of it asks for."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

from .._errors import PerceusError
from .._files import write_atomically

VARIANTS = ("apt", "minbase", "buildd", "important", "standard")  # mmdebstrap's, those that have apt
FOUNDATION = ("suite", "mirror", "components", "variant", "kernel_package")

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*[a-z0-9+]", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]*", re.ASCII)
_MIRROR = re.compile(r"(?:https?|file|copy)[:]/[A-Za-z0-9./:@%~_+-]+", re.ASCII)
_HASH = re.compile(r"\$[!-9;-~]+", re.ASCII)  # crypt(5): printable, no colon
_KEY = re.compile(r"[^\x00-\x1f\x7f]+")
_HEAD = "# The recipe of this VNFS, written by the module perceus.cluster.vnfs.\n"


@dataclass(frozen=True)
class Recipe:
    """What a VNFS is made from. ``node_files`` is the digest of the files that go into every VNFS."""

    suite: str
    mirror: str | None
    components: tuple[str, ...]
    variant: str
    kernel_package: str
    packages: tuple[str, ...]
    authorized_keys: tuple[str, ...]
    root_password_hash: str | None
    node_files: str

    def __post_init__(self) -> None:
        _check("suite", self.suite, _WORD)
        _check("variant", self.variant, re.compile("|".join(VARIANTS)))
        _check("node files' digest", self.node_files, re.compile("[0-9a-f]{64}"))
        if self.mirror is not None:
            _check("mirror", self.mirror, _MIRROR)
        if self.root_password_hash is not None and not _HASH.fullmatch(self.root_password_hash):
            raise PerceusError("Cannot use the root password's hash: it is not in the form of crypt(5)")
        for component in self.components:
            _check("component", component, _WORD)
        for package in (self.kernel_package, *self.packages):
            _check("package", package, _PACKAGE)
        for key in self.authorized_keys:
            _check("authorized key", key, _KEY)


def _check(what: str, value: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(value):
        raise PerceusError(f"Cannot use {value!r} as {what}: not in the form of one")


def parse_recipe(values: Mapping[str, Any]) -> Recipe:
    """Turn the fields of ``vnfs.yml`` into a recipe; raises :class:`PerceusError` when they do not make one."""
    taken: dict[str, Any] = {}
    for field in fields(Recipe):
        value = values.get(field.name)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = tuple(value)
        plural = field.type.startswith("tuple")
        if not isinstance(value, tuple if plural else str) and not (value is None and "None" in field.type):
            raise PerceusError(f"Cannot use the recipe: {field.name!r} is {value!r}")
        taken[field.name] = value
    unknown = sorted(set(values) - set(taken))
    if unknown:
        raise PerceusError(f"Cannot use the recipe: {unknown[0]!r} is no part of one")
    return Recipe(**taken)


def render_recipe(recipe: Recipe) -> str:
    """Return the text of ``vnfs.yml``."""
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(recipe).items()}
    return _HEAD + str(_yaml().safe_dump(values, sort_keys=False))


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
    """Write ``vnfs.yml``, for root only: it may hold a password's hash."""
    write_atomically(file, render_recipe(recipe), mode=0o600)


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
    def missing_packages(self) -> tuple[str, ...]:
        """The packages that an update installs."""
        if self.current is None or self.wanted is None:
            return ()
        return tuple(package for package in self.wanted.packages if package not in self.current.packages)

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
        for key in FOUNDATION:
            before, after = getattr(current, key), getattr(wanted, key)
            if before != after:
                raise PerceusError(
                    f"Cannot change {key} of VNFS {name!r} from {before!r} to {after!r} in its tree",
                    hint="Build it again with state 'rebuilt', which discards what was changed in the tree",
                    vnfs=name,
                )
    return Plan(name, current, wanted, from_scratch)


def _shown(recipe: Recipe | None) -> str:
    """The text of a recipe for people, without the hash."""
    if recipe is None:
        return ""
    lines = render_recipe(recipe).splitlines(keepends=True)
    hidden = "root_password_hash: (hidden)\n"
    return "".join(hidden if line.startswith("root_password_hash: $") else line for line in lines)
