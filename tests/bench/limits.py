# SPDX-License-Identifier: GPL-3.0-or-later
"""What measurements print, a table, and the limits that they are to keep."""

from __future__ import annotations


class Table:
    """A table in the making, of which each line is printed at once."""

    def __init__(self, *columns: str) -> None:
        self.missed = 0
        self._print(*columns, "wanted")
        self._print(*("---" for _column in columns), "---")

    @property
    def status(self) -> int:
        """The exit status: 1 if a limit was missed."""
        return int(self.missed > 0)

    def add(self, *cells: str, value: float = 0, at_most: float | None = None, at_least: float | None = None) -> None:
        """Print a line, of which ``value`` is what is limited."""
        wanted = [f"at most {at_most:g}"] if at_most is not None else []
        wanted += [f"at least {at_least:g}"] if at_least is not None else []
        missed = (at_most is not None and value > at_most) or (at_least is not None and value < at_least)
        self.missed += missed
        self._print(*cells, " and ".join(wanted) + (": missed" if missed else ""))

    @staticmethod
    def _print(*cells: str) -> None:
        print(f"| {' | '.join(cells)} |", flush=True)
