# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pattern matches, and what is none."""

from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(min_size=1).filter(lambda name: name not in (".", "..") and not {"/", "\0"} & set(name))
PATHS = st.lists(NAMES, min_size=1, max_size=4)


def escaped(name: str) -> str:
    return "".join(f"\\{character}" if character in r"\*?[" else character for character in name)


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("/usr/share/doc", ["usr/share/doc/", "usr/share/doc", "usr/share/doc/a/b"], ["usr/share", "usr/share/docs"]),
        ("/usr/share/doc/", ["usr/share/doc/", "usr/share/doc/a"], ["usr/share/doc"]),
        ("/var/log/**", ["var/log/a", "var/log/a/", "var/log/a/b"], ["var/log/", "var/log"]),
        ("/var/log/*", ["var/log/a", "var/log/a/b"], ["var/log/", "var/logs"]),
        ("/usr/**/*.pyc", ["usr/a.pyc", "usr/a/b/c.pyc", "usr/x.pyc/a"], ["a.pyc", "usr/apyc"]),
        ("/**/.git/", [".git/", "a/.git/", "a/b/.git/config"], [".git", "a.git/"]),
        ("/boot/*-?-[a-c1]", ["boot/x-1-b", "boot/--1-1"], ["boot/x-12-b", "boot/x-1-d", "boot/x---/b"]),
        ("/a[!b]c", ["axc", "a\nc"], ["abc", "a/c"]),
        ("/[]a-]", ["]", "a", "-"], ["b"]),
        (r"/a\*\[\\", [r"a*[\ ".strip()], ["axx[\\"]),
        ("/*", ["a", "a/", "\n", "\udcff"], [""]),
        ("/srv/new\nline", ["srv/new\nline"], ["srv/new"]),
        ("/srv/schön", ["srv/schön"], ["srv/schon"]),
    ],
)
def test_a_pattern_matches_what_it_says(pattern: str, matched: list[str], others: list[str]) -> None:
    """A name with ``/`` at its end is a folder's."""
    patterns = compile_patterns([pattern])
    for name in (*matched, *others):
        found = patterns.match(name.removesuffix("/"), is_folder=name.endswith("/"))
        assert found == (pattern if name in matched else None), name


@pytest.mark.parametrize(
    "pattern",
    ["", "/", "relative", "//", "/a//b", "/a/../b", "/.", "/a**", "/***", "/a[", "/[]", "/[b-a]", "/[[:digit:]]",
     "/[é]", "/a\\", "/a\\/b", "/a\0"],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PerceusError, match="as pattern: not in the form of one"):
        compile_patterns([pattern])


def test_the_first_of_several_is_named() -> None:
    patterns = compile_patterns(["/a/b/", "/a/*", "/**"])
    assert [patterns.match("a/b", is_folder=is_folder) for is_folder in (True, False)] == ["/a/b/", "/a/*"]
    assert patterns.match("c", is_folder=False) == "/**"


def test_no_pattern_matches_nothing() -> None:
    assert compile_patterns([]).match("a", is_folder=False) is None


@given(PATHS, NAMES)
def test_a_name_is_a_pattern_of_itself_and_what_is_below(path: list[str], name: str) -> None:
    patterns = compile_patterns(["/" + "/".join(map(escaped, path))])
    for found in ("/".join(path), "/".join([*path, name])):
        assert patterns.match(found, is_folder=False)
        assert patterns.match(found, is_folder=True)
    assert not patterns.match("/".join([*path[:-1], path[-1] + name]), is_folder=False)


@given(st.text(), PATHS)
def test_any_text_is_a_pattern_or_refused(pattern: str, path: list[str]) -> None:
    try:
        patterns = compile_patterns([pattern])
    except PerceusError:
        return
    assert patterns.match("/".join(path), is_folder=True) in (pattern, None)


@pytest.mark.parametrize("pattern", ["/**/a/**/a/**/a/**/b", "/*a*a*a*a"])
def test_a_pattern_that_could_be_read_in_endless_ways_is_refused(pattern: str) -> None:
    with pytest.raises(PerceusError, match="Use at most 3"):
        compile_patterns([pattern])
