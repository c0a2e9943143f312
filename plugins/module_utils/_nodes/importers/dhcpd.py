# SPDX-License-Identifier: GPL-3.0-or-later
"""The host declarations of an ISC ``dhcpd.conf`` (dhcpd.conf(5)), also of one that Warewulf, Rocks or xCAT wrote.

A host is called what ``option host-name`` says, else as its declaration is. One that is denied booting, itself or by
a group or subnet around it, belongs to another boot server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .draft import Draft, Imported
from .reasons import ONE_ADDRESS

_TOKEN = re.compile(r'(?P<space>\s+|#[^\n]*)|"(?P<string>(?:[^"\\\n]|\\.)*)"|(?P<mark>[{};,])|(?P<word>[^\s{};,"#]+|")')
_BOOTING = {"allow booting": False, "deny booting": True, "ignore booting": True}
_TWO_WORDS = frozenset({"option", "hardware", "allow", "deny", "ignore"})


@dataclass
class _Scope:
    """A block and what stands in it: statements as words, each with its line."""

    head: list[str]
    line: int
    around: _Scope | None
    statements: list[tuple[list[str], int]] = field(default_factory=list)


def parse(text: str) -> Imported:
    """Return the hosts that have an Ethernet address, and the masks."""
    draft = Draft()
    for scope in sorted(_scopes(text), key=lambda scope: scope.line):
        if scope.head[:1] == ["host"] and len(scope.head) == 2:
            _take_host(draft, scope)
            continue
        for words, line in scope.statements:
            if words[0] == "include":
                draft.leave_out(f"include {' '.join(words[1:])}", line, "it is another file: import it too")
    return draft.result()


def _scopes(text: str) -> Iterator[_Scope]:
    """Yield each block when it ends, and the file itself at last; what never ends does so with the file."""
    scope = _Scope([], 1, None)
    words: list[str] = []
    began = 1
    for word, is_mark, line in _tokens(text):
        if not words:
            began = line
        if not is_mark:
            words.append(word)
        elif word == "{":
            scope, words = _Scope(words, began, scope), []
        elif word == ";" and words:
            scope.statements.append((words, began))
            words = []
        elif word == "}" and scope.around is not None:
            yield scope
            scope, words = scope.around, []
    while True:
        yield scope
        if scope.around is None:
            return
        scope = scope.around


def _tokens(text: str) -> Iterator[tuple[str, bool, int]]:
    line = 1
    for found in _TOKEN.finditer(text):
        if found["string"] is not None:
            yield re.sub(r"\\(.)", r"\1", found["string"]), False, line
        elif found["word"] is not None:
            yield found["word"], False, line
        elif found["mark"] is not None:
            yield found["mark"], True, line
        line += found[0].count("\n")


def _take_host(draft: Draft, scope: _Scope) -> None:
    declared, said = scope.head[1], ""
    macs: list[tuple[str, int]] = []
    addresses: list[tuple[str, int]] = []
    for words, line in scope.statements:
        key = " ".join(words[:2]).lower()
        if key == "hardware ethernet" and len(words) == 3:
            macs.append((words[2], line))
        elif key == "option host-name" and len(words) == 3:
            said = words[2]
        elif words[0] == "fixed-address":
            addresses.extend((word, line) for word in words[1:])
        elif key not in _BOOTING:
            draft.skip(key if words[0] in _TWO_WORDS else words[0], line)
    if _is_denied(scope):
        for mac, line in macs:
            draft.mask(mac, line)
        draft.leave_out(f"host {declared!r}", scope.line, "it is denied booting: its MAC address is masked")
        return
    # A machine may have a declaration for each interface: they have its name in common.
    node = draft.node(said, scope.line) if said else draft.begin(declared, scope.line)
    node.macs.extend(macs)
    for address, line in addresses:
        if "address" in node.values:
            draft.leave_out(f"address {address}", line, ONE_ADDRESS)
        else:
            node.set("address", address, line)
    for around in _around(scope):
        if around.head[:1] == ["group"] and around.head[1:]:
            node.set("group", around.head[1], scope.line)
            break


def _is_denied(scope: _Scope) -> bool:
    """The innermost block that says something about booting decides."""
    for around in _around(scope):
        said = [" ".join(words) for words, _line in around.statements if " ".join(words) in _BOOTING]
        if said:
            return _BOOTING[said[-1]]
    return False


def _around(scope: _Scope) -> Iterator[_Scope]:
    """Yield the block and those around it."""
    inner: _Scope | None = scope
    while inner is not None:
        yield inner
        inner = inner.around
