# SPDX-License-Identifier: GPL-3.0-or-later
"""The deltas of a VNFS: static files for the web server, each made once, by the first node that needs it.

deltas/OLD-NEW.SHA256.tar.zst    what makes generation NEW of a node that runs OLD, and the SHA-256 that nodes verify
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from .._errors import PerceusError
from .._process import Runner
from .._vnfs.image.manifest import Manifest, hash_stream, parse_manifest
from .._vnfs.image.patterns import Patterns
from .._vnfs.report.content import load_manifest
from .._vnfs.store import Vnfs, building
from .delta import has_lookalikes, plan_delta
from .packing import pack_delta
from .source import Source

SUFFIX = ".tar.zst"


class NoDeltaError(PerceusError):
    """Why a delta does not do for a node."""


@dataclass(frozen=True)
class Archive:
    """A delta as nodes get it; ``size`` is in bytes."""

    url: str
    sha256: str
    size: int


class Deltas:
    """Those that lead to one generation, whose tree is mounted. The caller holds the VNFS's lock.

    ``url_of`` gives the address of a file of the folder.
    """

    def __init__(self, vnfs: Vnfs, source: Source, url_of: Callable[[str], str], runner: Runner) -> None:
        self._vnfs = vnfs
        self._source = source
        self._url_of = url_of
        self._runner = runner
        self._lock = threading.Lock()
        self._known: dict[str, Archive | PerceusError] = {}

    def __call__(self, generation: str) -> Archive:
        """Return the one from ``generation``, for any thread. Raises :class:`PerceusError` when it cannot be made."""
        with self._lock:
            if generation not in self._known:
                self._known[generation] = self._provide(generation)
            known = self._known[generation]
        if isinstance(known, PerceusError):
            raise known
        return known

    def must_read_all(self, generation: str) -> bool:
        """Tell whether size and time do not show what differs from ``generation``, or the store does not have it."""
        try:
            before = load_manifest(self._vnfs, generation)
        except PerceusError:
            return True
        return has_lookalikes(before, parse_manifest(self._source.manifest))

    def _provide(self, generation: str) -> Archive | PerceusError:
        try:
            file = self._find(generation) or self._make(generation)
            return Archive(self._url_of(file.name), _sha256_in(file), file.stat().st_size)
        except PerceusError as error:
            return error

    def _find(self, generation: str) -> Path | None:
        """Return the one that is there, if it is whole, as it is not after a power cut."""
        for file in self._vnfs.deltas.glob(f"{generation}-{self._source.generation}.*{SUFFIX}"):
            if _hash(file) == _sha256_in(file):
                return file
            file.unlink()
        return None

    def _make(self, generation: str) -> Path:
        manifests = (load_manifest(self._vnfs, generation), parse_manifest(self._source.manifest))
        delta = plan_delta(*(_without(manifest, self._source.hybridized) for manifest in manifests))
        with building(self._vnfs, "livesync") as beside:
            packed, scratch = beside / "packed", beside / "scratch"
            scratch.mkdir()
            pack_delta(delta, tree=self._source.folder, scratch=scratch, target=packed, runner=self._runner)
            packed.chmod(0o644)
            self._vnfs.deltas.mkdir(exist_ok=True)
            self._vnfs.deltas.chmod(0o755)
            file = self._vnfs.deltas / f"{generation}-{self._source.generation}.{_hash(packed)}{SUFFIX}"
            os.rename(packed, file)
        return file


def _without(manifest: Manifest, patterns: Patterns) -> Manifest:
    kept = (entry for entry in manifest.entries if not patterns.match(entry.name, is_folder=entry.kind == "folder"))
    return replace(manifest, entries=tuple(kept))


def _sha256_in(file: Path) -> str:
    return file.name.removesuffix(SUFFIX).rpartition(".")[2]


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hash_stream(stream)
