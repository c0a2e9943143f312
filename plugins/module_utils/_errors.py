# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's one exception family: raised anywhere, translated only in ``main()``, ``parse()`` and ``run()``."""

from __future__ import annotations

from typing import Any


class PerceusError(Exception):
    """Something an operator can cause or mend.

    ``msg`` reads ``Cannot <verb> <object>: <reason>``; ``hint`` says what to do about it; ``details`` are fields
    for a module's result. They are named after facts (``argv``, ``vnfs``), never ``path``, ``dest`` or ``state``.
    """

    def __init__(self, msg: str, hint: str | None = None, **details: Any) -> None:
        super().__init__(msg)
        self.msg = msg
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.msg}. {self.hint}" if self.hint else self.msg


class CommandError(PerceusError):
    """A program ended with a status other than those expected, could not be started, or took too long."""
