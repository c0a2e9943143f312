# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of overlays, rendered on the master by Jinja2, which is loaded with the first template only.

A template sees the facts of one node and nothing of the master. A value is text, whatever it looks like: only the
template itself is read as one.
"""

from __future__ import annotations

import importlib
import re
import secrets
import shlex
from collections.abc import Mapping
from typing import Any

from .._errors import PerceusError

SUFFIX = ".j2"

_FILE = re.compile(r"[A-Za-z0-9@_][A-Za-z0-9@%+=:,._-]{0,199}", re.ASCII)
# What the expressions of a template raise, beside Jinja2's own errors. Python's SyntaxError is for a parameter that is
# there twice.
_WRONG: tuple[type[Exception], ...] = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, SyntaxError, TypeError),
    *(ValueError, PerceusError),
)


class Templates:
    """Renders templates, each compiled once; ``shared`` are facts that are the same each time.

    A template that sees no others is rendered once: there may be thousands of nodes, and of accounts.
    """

    def __init__(self, **shared: Any) -> None:
        self._shared = shared
        self._environment: Any = None
        self._compiled: dict[str, tuple[Any, frozenset[str]]] = {}
        self._same: dict[str, dict[str | None, bytes]] = {}

    def render(self, text: str, facts: Mapping[str, Any], *, what: str) -> dict[str | None, bytes]:
        """Return what ``text`` gives, by the name of the file; None is the template's own.

        ``file('NAME')`` in a template begins another file, beside that. Where a template gives nothing but blanks there
        is no file of its own. Beside Jinja2's filters there are ``quote``, for a word of a shell script, and ``line``,
        which refuses what does not fit in one line. Raises :class:`PerceusError`; ``what`` names the template in it.
        """
        jinja2 = self._load()
        try:
            if text not in self._compiled:
                self._compiled[text] = self._compile(text)
            template, names = self._compiled[text]
            if not names.isdisjoint(facts):
                return _render(template, {**self._shared, **facts})
            if text not in self._same:
                self._same[text] = _render(template, self._shared)
            return self._same[text]
        except jinja2.TemplateSyntaxError as error:
            raise _failure(what, f"{error} (line {error.lineno})") from error
        except (jinja2.TemplateError, *_WRONG) as error:
            raise _failure(what, str(error) or type(error).__name__) from error

    def _compile(self, text: str) -> tuple[Any, frozenset[str]]:
        """Return a template, and the names of the facts that it looks at."""
        meta = importlib.import_module("jinja2.meta")
        names = meta.find_undeclared_variables(self._environment.parse(text))
        return self._environment.from_string(text), frozenset(names)

    def _load(self) -> Any:
        """Return Jinja2; its sandbox keeps templates from what is no value."""
        try:
            jinja2 = importlib.import_module("jinja2")
            sandbox = importlib.import_module("jinja2.sandbox")
        except ImportError as error:
            raise PerceusError("Cannot render templates: Jinja2 is missing", hint="Install python3-jinja2") from error
        if self._environment is None:
            self._environment = sandbox.ImmutableSandboxedEnvironment(
                undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
            )
            self._environment.filters.update(quote=lambda value: shlex.quote(str(value)), line=_check_line)
        return jinja2


def _render(template: Any, facts: Mapping[str, Any]) -> dict[str | None, bytes]:
    mark = f"\0{secrets.token_hex(16)}\0"
    rendered: str = template.render(**facts, file=lambda name: f"{mark}{_check_file(name)}{mark}")
    own, *parts = rendered.split(mark)
    files: dict[str | None, bytes] = {None: own.encode()} if own.strip() else {}
    for name, content in zip(parts[::2], parts[1::2]):
        files[name] = content.removeprefix("\n").encode()
    return files


def _failure(what: str, why: str) -> PerceusError:
    return PerceusError(f"Cannot render {what}: {why}", hint="Mend the template, or set what it lacks")


def _check_file(name: Any) -> str:
    if not _FILE.fullmatch(str(name)):
        raise PerceusError(f"{name!r} is no name for a file beside the template")
    return str(name)


def _check_line(value: Any) -> str:
    if not str(value).isprintable():
        raise PerceusError(f"{str(value)[:100]!r} does not fit in one line")
    return str(value)
