# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node gets: the files of all its overlays together, rendered, none of them a secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from .._errors import PerceusError
from .._vnfs.image.secrets import Detector
from .scopes import Active
from .source import FILES, Overlay, SourceFile
from .templates import SUFFIX, Templates

REMEMBERED = 1024  # files; most are the same for all nodes, and some large
SCRIPTS = "etc/perceus"  # on the node: init.d and ready.d are below it


@dataclass(frozen=True)
class NodeFile:
    """A file or link of the node, named relative to its root, and the overlay that it comes from."""

    name: str
    mode: int
    content: bytes
    target: str
    origin: Active


def compose(
    active: Iterable[Active], overlays: Mapping[str, Overlay], facts: Mapping[str, Any], templates: Templates
) -> tuple[NodeFile, ...]:
    """Return the files of the overlays, by name; of two with one name the later is there.

    Raises :class:`PerceusError` when a template cannot be rendered, a file holds a secret, or one overlay has a folder
    where another has a file.
    """
    return _put_together(
        _place(name, source, content, origin)
        for origin in active
        for source in overlays[origin.overlay].files
        for name, content in _render(source, origin.overlay, facts, templates)
    )


def _put_together(placed: Iterable[NodeFile]) -> tuple[NodeFile, ...]:
    files = {file.name: file for file in placed}
    folders = {folder: name for name in files for folder in accumulate(name.split("/")[:-1], "{}/{}".format)}
    for name in sorted(files.keys() & folders.keys()):
        raise PerceusError(
            f"Cannot give a node both {name!r} of overlay {files[name].origin.overlay!r} and {folders[name]!r} of"
            f" {files[folders[name]].origin.overlay!r}: one needs a folder where the other is"
        )
    return tuple(files[name] for name in sorted(files))


def check_overlay(overlay: Overlay) -> None:
    """Raise :class:`PerceusError` when its files, not counting templates, can be given to no node."""
    origin = Active(overlay.name, "all")
    _put_together(
        _place(source.name, source, source.content, origin) for source in overlay.files if not is_template(source)
    )


def is_template(source: SourceFile) -> bool:
    return source.name.endswith(SUFFIX) and not source.target


def _render(
    source: SourceFile, overlay: str, facts: Mapping[str, Any], templates: Templates
) -> Iterator[tuple[str, bytes]]:
    if not is_template(source):
        yield source.name, source.content
        return
    what = f"{source.name!r} of overlay {overlay!r}"
    try:
        text = source.content.decode()
    except UnicodeDecodeError as error:
        raise PerceusError(f"Cannot render {what}: not UTF-8") from error
    folder, own = source.name.rsplit("/", 1)
    for name, content in templates.render(text, facts, what=what).items():
        yield f"{folder}/{name or own.removesuffix(SUFFIX)}", content


@lru_cache(maxsize=REMEMBERED)
def _place(name: str, source: SourceFile, content: bytes, origin: Active) -> NodeFile:
    part, below = name.split("/", 1)
    is_script = part != FILES
    placed = f"{SCRIPTS}/{name}" if is_script else below
    kind = Detector()(placed, content)
    if kind:
        raise PerceusError(
            f"Cannot use overlay {origin.overlay!r}: {name!r} holds a {kind}",
            hint="Whoever reaches the web server can read it: give nodes their secrets by ssh after they have booted",
        )
    return NodeFile(placed, 0o755 if is_script else source.mode, content, source.target, origin)
