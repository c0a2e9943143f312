# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.plugin_utils.progress import describe

MB = 1_000_000


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"phase": "initramfs", "seconds": 3.4}, "debian: initramfs (3 s)"),
        (
            {"phase": "squashfs", "seconds": 3.5, "done": 84 * MB, "total": None, "unit": "bytes"},
            "debian: squashfs 84 MB, 24 MB/s (4 s)",
        ),
        (
            {"phase": "check", "seconds": 2.0, "done": 84 * MB, "total": 420 * MB, "unit": "bytes"},
            "debian: check 84 of 420 MB, 42 MB/s (2 s)",
        ),
        (
            {"phase": "walk", "seconds": 4.0, "done": 8000, "total": None, "unit": "files"},
            "debian: walk 8000 files, 2000/s (4 s)",
        ),
    ],
)
def test_a_line_has_what_is_known(record: dict[str, Any], said: str) -> None:
    assert describe("debian", record) == said
