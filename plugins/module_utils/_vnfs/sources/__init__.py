# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the tree of a VNFS comes from: a file for each source, and its line in the table below.

A source is a frozen dataclass, a :class:`~.base.Source`. Its fields are the options of the module's option of the same
name as its ``type``, kept in ``vnfs.yml``; its ``__post_init__`` refuses what is hostile or makes no sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._errors import PerceusError
from ..recipe.fields import plain, take_fields
from .archive import Archive
from .base import Source
from .capsule import Capsule
from .clone import Clone
from .dnf import Dnf
from .folder import Folder
from .mmdebstrap import Mmdebstrap
from .node import Node
from .oci import Oci

SOURCES: dict[str, type[Source]] = {
    Archive.type: Archive,
    Capsule.type: Capsule,
    Clone.type: Clone,
    Dnf.type: Dnf,
    Folder.type: Folder,
    Mmdebstrap.type: Mmdebstrap,
    Node.type: Node,
    Oci.type: Oci,
}
DEFAULT = Mmdebstrap.type


def parse_source(values: Mapping[str, Any]) -> Source:
    """Turn the part ``source`` of ``vnfs.yml`` into one; raises :class:`PerceusError` when it is none."""
    options = dict(values)
    name = options.pop("type", None)
    if name not in SOURCES:
        raise PerceusError(f"Cannot take a VNFS from {name!r}: use one of {', '.join(SOURCES)}")
    return take_fields(SOURCES[name], options, what=f"the source {name!r}")


def plain_source(source: Source) -> dict[str, Any]:
    """Return the part ``source`` of ``vnfs.yml``."""
    return {"type": source.type, **plain(source)}


def want_source(asked: Mapping[str, Mapping[str, Any] | None], *, current: Source | None) -> Source:
    """Return the source that a module's options ask for: ``asked`` has those of each type, None where not given.

    What is not said stays as it is; a new VNFS has what the source itself proposes.
    """
    given = {name: options for name, options in asked.items() if options is not None}
    if len(given) > 1:
        raise PerceusError(f"Cannot take a VNFS from {' and '.join(sorted(given))} at once")
    name, options = next(iter(given.items()), (current.type if current else DEFAULT, {}))
    said = {key: value for key, value in options.items() if value is not None}
    before = plain(current) if current is not None and current.type == name else SOURCES[name].propose(said)
    return parse_source({"type": name, **before, **said})
