# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns that name files of a tree: one grammar for all options that take such.

A pattern begins with ``/``, the root of the tree. In a name of it

    *      stands for any characters, also none
    ?      for one byte
    [abc]  for one of these, [a-z] for one of a range, [!abc] for any other; ASCII only
    \\      takes the character after it as it is

and ``**`` in the place of a name stands for any number of folders: ``/usr/**/*.pyc`` is every such file below ``/usr``,
``/var/log/**`` everything below ``/var/log`` but not that folder. A pattern that ends in ``/`` matches folders only.
What a pattern matches is matched with all that is below it. rsync(1) and gitignore(5) read patterns in the same way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..._errors import PerceusError

MOST_WILDCARDS = 3  # more, and a name could be read in more ways than there is time for

_TOKEN = re.compile(
    rb"\\(?P<escaped>.)"
    rb"|(?P<star>\*)(?!\*)"
    rb"|(?P<one>\?)"
    rb"|\[(?P<negated>[!^]?)(?P<range>\]?[^]\[\\\x80-\xff]*)\]"
    rb"|(?P<plain>[^*\\\[])",
    re.DOTALL,
)
_RANGE = re.compile(rb"(.)-(.)|(.)", re.DOTALL)


@dataclass(frozen=True)
class Patterns:
    """Compiled patterns, in their order."""

    texts: tuple[str, ...]
    expression: re.Pattern[bytes]

    def match(self, name: str, *, is_folder: bool) -> str | None:
        """Return the first pattern that matches a file, named relative to the root, or a folder that it is in."""
        found = self.expression.fullmatch(os.fsencode(f"{name}/" if is_folder else name))
        return self.texts[found.lastindex - 1] if found and found.lastindex else None


def compile_patterns(patterns: Iterable[str]) -> Patterns:
    """Compile patterns. Raises :class:`PerceusError` for one that is not in the grammar."""
    texts = tuple(patterns)
    alternatives = b"|".join(b"(%s)" % _translate(text) for text in texts)
    return Patterns(texts, re.compile(alternatives or rb"(?!)", re.DOTALL))


def _translate(pattern: str) -> bytes:
    """Return the regular expression of one pattern; a folder's name is matched with ``/`` at its end."""
    root, *names = os.fsencode(pattern).split(b"/")
    folders_only = len(names) > 1 and not names[-1]
    if folders_only:
        names.pop()
    wildcards = max([names.count(b"**"), *(name.count(b"*") for name in names if name != b"**")])
    if wildcards > MOST_WILDCARDS:
        raise _refusal(pattern, f"Use at most {MOST_WILDCARDS} '**' in it, and as many '*' in one name")
    if root or not names or not all(names) or {b".", b".."} & set(names) or "\0" in pattern:
        raise _refusal(pattern, "Begin it with '/', and leave out '//', '.' and '..'")
    inner = b"".join(rb"(?:.*/)?" if name == b"**" else _translate_name(name, pattern) + b"/" for name in names[:-1])
    last = b".+" if names[-1] == b"**" else _translate_name(names[-1], pattern)
    return inner + last + (b"/.*" if folders_only else b"(?:/.*)?")


def _translate_name(name: bytes, pattern: str) -> bytes:
    if name == b"*":
        return b"[^/]+"
    translated = b""
    position = 0
    while position < len(name):
        token = _TOKEN.match(name, position)
        if token is None:
            raise _refusal(pattern, r"Let '**' stand alone between '/', close '[', write '\' before a plain one")
        translated += _translate_token(token, pattern)
        position = token.end()
    return translated


def _translate_token(token: re.Match[bytes], pattern: str) -> bytes:
    if token["star"]:
        return b"[^/]*"
    if token["one"]:
        return b"[^/]"
    if token["range"] is None:
        return re.escape(token["escaped"] or token["plain"])
    members = b""
    for first, last, single in _RANGE.findall(token["range"]):
        if first > last:
            raise _refusal(pattern, "Begin a range with its lesser end")
        members += re.escape(single) if single else b"%s-%s" % (re.escape(first), re.escape(last))
    if not members:
        raise _refusal(pattern, "Put something between '[' and ']'")
    return b"(?!/)[%s%s]" % (b"^" if token["negated"] else b"", members)


def _refusal(pattern: str, hint: str) -> PerceusError:
    return PerceusError(f"Cannot use {pattern!r} as pattern: not in the form of one", hint=hint)
