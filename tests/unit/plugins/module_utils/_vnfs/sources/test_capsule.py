# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.capsule import Capsule

CHECKSUM = f"sha256:{'0' * 64}"


def test_somebody_or_nobody_vouches_for_it() -> None:
    assert Capsule("/srv/x.vnfs", CHECKSUM).checksum == CHECKSUM
    assert Capsule("/srv/x.vnfs", unverified=True).checksum is None


@pytest.mark.parametrize(
    "options",
    [
        {"file": "/srv/x.vnfs"},
        {"file": "x.vnfs", "checksum": CHECKSUM},
        {"file": "/srv/x.vnfs", "checksum": "0" * 64},
        {"file": "/srv/x.vnfs", "checksum": CHECKSUM.upper()},
        {"file": "/srv/x.vnfs", "checksum": f"{CHECKSUM}\n"},
    ],
)
def test_anything_else_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match="Cannot"):
        Capsule(**options)
