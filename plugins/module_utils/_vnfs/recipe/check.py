# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of what ends up in other programs' command lines and configuration."""

from __future__ import annotations

import re

from ..._errors import PerceusError

NAME = re.compile(r"/[A-Za-z0-9 ./@:~_+-]*", re.ASCII)  # of a file, absolute
PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.+_:~-]*[A-Za-z0-9+])?", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
CHECKSUM = re.compile(rf"sha256:{SHA256.pattern}", re.ASCII)
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]*", re.ASCII)


def check(what: str, value: str, pattern: re.Pattern[str]) -> None:
    """Raise :class:`PerceusError` unless all of ``value`` is in the form of ``what``."""
    if not pattern.fullmatch(value):
        raise PerceusError(f"Cannot use {value!r} as {what}: not in the form of one")
