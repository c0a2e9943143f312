# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML from outside as words, lists and mappings, each with its line: no types, and no depth that exhausts a stack."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..._errors import PerceusError
from .draft import Draft

DEEPEST = 20  # containers in one another
_EMPTY: dict[str, Callable[[], Any]] = {"MappingStartEvent": dict, "SequenceStartEvent": list}


@dataclass
class Found:
    """A value and the line in which it begins."""

    value: str | list[Found] | dict[str, Found]
    line: int

    @property
    def word(self) -> str:
        """The value if it is one word, else an empty one."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def words(self) -> list[str]:
        """The words of a list; a single one may have commas between."""
        parts = [part.word for part in self.value] if isinstance(self.value, list) else self.word.split(",")
        return [part.strip() for part in parts if part.strip()]

    @property
    def items(self) -> dict[str, Found]:
        """The value if it is a mapping, else an empty one."""
        return self.value if isinstance(self.value, dict) else {}


def read_yaml(text: str, draft: Draft) -> Found:
    """Return the first document. A key that stands twice counts once, and is left out the second time.

    Raises :class:`PerceusError` when it is not YAML, or deeper than anything that people write.
    """
    root = Found({}, 1)
    anchors: dict[str, Found] = {}
    around: list[tuple[Found, list[str]]] = []  # with the key that waits for its value
    for event in _events(text):
        kind = type(event).__name__
        if kind == "DocumentEndEvent":
            break
        if kind in ("MappingEndEvent", "SequenceEndEvent"):
            around.pop()
            continue
        found = _begin(kind, event, anchors)
        if found is None:
            continue
        if around:
            _put(found, *around[-1], draft)
        else:
            root = found
        if kind in _EMPTY:
            around.append((found, []))
        if len(around) > DEEPEST:
            raise PerceusError(f"Cannot read the YAML in line {found.line}: it is more than {DEEPEST} levels deep")
    return root


def _begin(kind: str, event: Any, anchors: dict[str, Found]) -> Found | None:
    line = event.start_mark.line + 1
    if kind == "AliasEvent":
        return anchors.get(event.anchor, Found("", line))
    if kind not in ("ScalarEvent", *_EMPTY):
        return None
    found = Found(_EMPTY[kind]() if kind in _EMPTY else event.value, line)
    if event.anchor:
        anchors[event.anchor] = found
    return found


def _put(found: Found, container: Found, key: list[str], draft: Draft) -> None:
    if isinstance(container.value, list):
        container.value.append(found)
    elif isinstance(container.value, dict):
        if not key:
            key.append(found.word)
        elif key[0] in container.value:
            draft.leave_out(f"{key.pop()!r}", found.line, "it stands there already")
        else:
            container.value[key.pop()] = found


def _events(text: str) -> Iterator[Any]:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise PerceusError("Cannot read YAML: PyYAML is missing", hint="Install python3-yaml") from error
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except yaml.YAMLError as error:
        raise PerceusError(f"Cannot read the YAML: {' '.join(str(error).split())[:200]}") from error
