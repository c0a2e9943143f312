# SPDX-License-Identifier: GPL-3.0-or-later
"""Dataclasses that are written as mappings in ``vnfs.yml``: from one to the other, with every field's type checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields
from typing import Any, TypeVar

from ..._errors import PerceusError

T = TypeVar("T")

_ACCEPTED: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "bool": (bool,),
    "tuple[str, ...]": (list, tuple),
    "tuple[str, ...] | None": (list, tuple, type(None)),
}
_ARGUMENTS = {
    "str": {"type": "str"},
    "int": {"type": "int"},
    "bool": {"type": "bool"},
    "tuple[str, ...]": {"type": "list", "elements": "str"},
}


def take_fields(kind: type[T], values: Mapping[str, Any], *, what: str) -> T:
    """Make a ``kind`` of the values; what is missing has its default.

    Its fields are of the types above, or lists of the dataclass that ``metadata`` names as ``of``. Raises
    :class:`PerceusError` for a field that is unknown, missing or of another type, and what the class itself refuses.
    """
    declared = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(declared))
    if unknown:
        raise PerceusError(f"Cannot use {what}: {unknown[0]!r} is no part of it")
    taken: dict[str, Any] = {}
    for name, field in declared.items():
        if name not in values:
            if field.default is MISSING and field.default_factory is MISSING:
                raise PerceusError(f"Cannot use {what}: {name!r} is missing")
            continue
        parts = field.metadata.get("of")
        taken[name] = (
            _take_list(parts, values[name], name, what)
            if parts
            else _checked(name, values[name], str(field.type), what)
        )
    return kind(**taken)


def _take_list(kind: type[T], values: Any, name: str, what: str) -> tuple[T, ...]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(item, Mapping) for item in values):
        raise PerceusError(f"Cannot use {what}: {name!r} is {values!r}")
    return tuple(take_fields(kind, item, what=f"{what} ({name})") for item in values)


def _checked(name: str, value: Any, declared: str, what: str) -> Any:
    accepted = _ACCEPTED.get(declared)
    fits = accepted is None or (isinstance(value, accepted) and isinstance(value, bool) == (accepted == (bool,)))
    if fits and accepted is not None and isinstance(value, (list, tuple)):
        fits = all(isinstance(item, str) for item in value)
    if not fits:
        raise PerceusError(f"Cannot use {what}: {name!r} is {value!r}")
    return tuple(value) if isinstance(value, list) and accepted is not None else value


def plain(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as YAML and JSON have them: tuples as lists."""
    return {name: _plain(value) for name, value in asdict(instance).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def describe_arguments(kind: type, *, required: bool = False) -> dict[str, Any]:
    """Return the fields of a dataclass as options of a module; with ``required`` they have its defaults, or must be
    given, else what is not given is None.
    """
    return {field.name: _describe_argument(field, required) for field in fields(kind)}


def _describe_argument(field: Field[Any], required: bool) -> dict[str, Any]:
    parts = field.metadata.get("of")
    if parts:
        return {"type": "list", "elements": "dict", "options": describe_arguments(parts, required=True)}
    argument = dict(_ARGUMENTS[str(field.type).partition(" | ")[0]], no_log=False)
    if required and field.default is MISSING:
        argument["required"] = True
    elif required and field.default is not None:
        argument["default"] = field.default
    return argument
