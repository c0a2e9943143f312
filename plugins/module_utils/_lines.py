# SPDX-License-Identifier: GPL-3.0-or-later
"""A few lines of a long text, found without looking at each line."""

from __future__ import annotations

from collections.abc import Iterable


def lines_with(needles: Iterable[str], text: str) -> list[str]:
    """Return the lines in which any of ``needles`` stands, in the order of ``text``."""
    found: dict[int, str] = {}
    for needle in needles:
        at = text.find(needle)
        while at >= 0:
            start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
            end = len(text) if end < 0 else end
            found[start] = text[start:end]
            at = text.find(needle, end)
    return [found[start] for start in sorted(found)]
