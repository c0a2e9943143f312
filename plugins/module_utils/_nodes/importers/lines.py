# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a text, as every line-wise importer reads them."""

from __future__ import annotations

from collections.abc import Iterator


def numbered(text: str, *, comment: str = "#") -> Iterator[tuple[int, str]]:
    """Yield number and content of each line that says something, without the comment at its end and white space."""
    for number, line in enumerate(text.split("\n"), start=1):
        said = line.partition(comment)[0].strip() if comment else line.strip()
        if said:
            yield number, said
