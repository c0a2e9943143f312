# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.inventory.leases import InventoryModule


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("perceus.yml", True),
        ("perceus.yaml", True),
        ("rack-1.perceus.yml", True),
        ("rack-1.perceus.yaml", True),
        ("hosts.yml", False),
        ("myperceus.yml", False),
        ("perceus.yml.bak", False),
        ("perceus.json", False),
    ],
)
def test_only_our_own_sources_are_claimed(tmp_path: Path, name: str, ours: bool) -> None:
    source = tmp_path / name
    source.touch()
    assert InventoryModule().verify_file(str(source)) is ours


def test_a_source_that_is_not_there_is_not_claimed(tmp_path: Path) -> None:
    assert InventoryModule().verify_file(str(tmp_path / "perceus.yml")) is False
