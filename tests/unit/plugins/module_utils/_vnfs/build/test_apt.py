# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import Completed
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.apt import (
    Distribution,
    Source,
    load_distribution,
    load_sources,
    render_sources,
)

BOOKWORM = Distribution("debian", "bookworm")
TARGETS = """\
http://mirror.example/debian/ bookworm bookworm Debian
http://mirror.example/debian/ bookworm bookworm Debian
http://mirror.example/debian/ stable-updates bookworm-updates Debian
http://mirror.example/security/ bookworm-security bookworm-security Debian
https://packages.example/apt/ bookworm bookworm A Third Party
http://mirror.example/debian/ sid sid Debian
https://flat.example/ ./
"""


def answering(text: str) -> Any:
    def run(argv: Sequence[str], **_: Any) -> Completed:
        assert argv[:2] == ("apt-get", "indextargets")
        return Completed(tuple(argv), 0, text, "")

    return run


@pytest.mark.parametrize(
    ("suite", "suites"),
    [
        ("bookworm", ["bookworm", "bookworm-updates", "bookworm-security"]),
        ("trixie", ["trixie", "trixie-updates", "trixie-security"]),
        ("sid", ["sid"]),
    ],
)
def test_the_masters_own_archives_are_used_for_any_suite(suite: str, suites: list[str]) -> None:
    sources = load_sources(suite, distribution=BOOKWORM, runner=answering(TARGETS))
    assert [source.suite for source in sources] == suites
    assert {source.uri for source in sources} <= {"http://mirror.example/debian/", "http://mirror.example/security/"}


def test_ubuntus_releases_are_told_by_their_own_names() -> None:
    targets = "http://u/ jammy jammy Ubuntu\nhttp://u/ jammy-updates jammy Ubuntu\n"
    sources = load_sources("noble", distribution=Distribution("ubuntu", "jammy"), runner=answering(targets))
    assert sources == [Source("http://u/", "noble"), Source("http://u/", "noble-updates")]


@pytest.mark.parametrize("text", ["", "http://u/ bookworm  \n"])
def test_a_master_that_never_updated_is_told_to(text: str) -> None:
    with pytest.raises(PerceusError, match="Run 'apt-get update'"):
        load_sources("bookworm", distribution=BOOKWORM, runner=answering(text))


def test_lines_are_signed_by_the_keyring_that_is_there(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.gpg"
    sources = [Source("http://m/", "bookworm")]
    assert render_sources(sources, components=["main", "contrib"], keyring=keyring) == [
        "deb http://m/ bookworm main contrib"
    ]
    keyring.touch()
    assert render_sources(sources, components=["main"], keyring=keyring) == [
        f"deb [signed-by={keyring}] http://m/ bookworm main"
    ]


def test_the_master_says_what_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n# a comment\nID=debian\nVERSION_CODENAME=bookworm\n')
    assert load_distribution(file) == BOOKWORM
