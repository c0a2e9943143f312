# SPDX-License-Identifier: GPL-3.0-or-later
"""What other provisioners print and keep, written after their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

SAMPLES = Path(__file__).with_name("samples")


@pytest.fixture(scope="session")
def samples() -> dict[str, str]:
    """The text of each sample by its name without ending."""
    return {path.stem: path.read_text(encoding="utf-8") for path in SAMPLES.iterdir()}
