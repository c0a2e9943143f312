# SPDX-License-Identifier: GPL-3.0-or-later
"""The master's own package sources, as apt itself reports them, and what they are for another suite."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..._errors import PerceusError
from ..._process import Runner

OS_RELEASE = Path("/etc/os-release")
ROLLING = ("sid", "unstable")  # Debian suites without -updates and -security
INDEX_TARGETS = (
    "apt-get",
    "indextargets",
    "--format",
    "$(REPO_URI) $(RELEASE) $(CODENAME) $(ORIGIN)",
    "Created-By: Packages",
    "Target-Of: deb",
)


@dataclass(frozen=True)
class Distribution:
    """What a tree or the master itself is: ``debian``, ``bookworm`` and ``12``, from os-release(5)."""

    name: str
    codename: str = ""
    version: str = ""

    @property
    def keyring(self) -> Path:
        return Path(f"/usr/share/keyrings/{self.name}-archive-keyring.gpg")


@dataclass(frozen=True)
class Source:
    """An archive and one of its suites: two words of a line of sources.list(5)."""

    uri: str
    suite: str


def load_distribution(os_release: Path = OS_RELEASE) -> Distribution:
    """Return what ``os_release`` says, by default that this master runs."""
    fields = dict(word.partition("=")[::2] for word in shlex.split(os_release.read_text(), comments=True))
    return Distribution(fields.get("ID", "linux"), fields.get("VERSION_CODENAME", ""), fields.get("VERSION_ID", ""))


def load_sources(suite: str, *, distribution: Distribution, runner: Runner) -> list[Source]:
    """Return where this master would get ``suite`` of its own distribution from."""
    listed = parse_index_targets(runner(INDEX_TARGETS).stdout, distribution=distribution)
    sources = _for_suite(listed, suite, own=distribution.codename)
    if not sources:
        raise PerceusError(
            f"Cannot find a mirror for {suite!r}: apt knows no archive of {distribution.name} {distribution.codename}",
            hint="Run 'apt-get update' on the master, or name a mirror",
        )
    return sources


def parse_index_targets(text: str, *, distribution: Distribution) -> list[Source]:
    """Return the archives in apt's answer that are the distribution's own, third parties left out.

    A release may be listed by its codename or by a word such as ``stable``; the codename is what counts.
    """
    sources = []
    for line in text.splitlines():
        uri, release, codename, origin = (line.split(" ", 3) + [""] * 3)[:4]
        suite = release if release.startswith(distribution.codename) else codename
        belongs = suite == distribution.codename or suite.startswith(f"{distribution.codename}-")
        if belongs and origin.lower() == distribution.name:
            sources.append(Source(uri, suite))
    return list(dict.fromkeys(sources))


def _for_suite(sources: Iterable[Source], suite: str, *, own: str) -> list[Source]:
    """Put ``suite`` in the place of the master's ``own``: bookworm-updates becomes trixie-updates."""
    return [
        Source(source.uri, suite + source.suite[len(own) :])
        for source in sources
        if suite not in ROLLING or source.suite == own
    ]


def render_sources(sources: Iterable[Source], *, components: Iterable[str], keyring: Path) -> list[str]:
    """Return lines of sources.list(5), signed by the distribution's keyring where the master has it."""
    signed = f" [signed-by={keyring}]" if os.path.exists(keyring) else ""
    return [f"deb{signed} {source.uri} {source.suite} {' '.join(components)}" for source in sources]
