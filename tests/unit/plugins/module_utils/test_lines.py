# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.perceus.cluster.plugins.module_utils._lines import lines_with
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.text("ab", min_size=1, max_size=2), max_size=3), st.text("ab\n"))
def test_it_finds_what_looking_at_each_line_finds(needles: list[str], text: str) -> None:
    assert lines_with(needles, text) == [line for line in text.split("\n") if any(needle in line for needle in needles)]
