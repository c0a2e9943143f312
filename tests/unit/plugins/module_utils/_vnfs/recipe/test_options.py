# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options


@pytest.mark.parametrize(
    "bad",
    [
        {"kernel_args": "a;b && c"},
        {"compression": "gzip"},
        {"keep": 0},
        {"kernel": "../x"},
        {"root_mode": "tape"},
        {"signing_key": "key"},
        {"signing_key": "/key", "root_mode": "nfs"},
    ],
)
def test_options_that_cannot_be_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(PerceusError, match="Cannot"):
        Options(**bad)  # type: ignore[arg-type]


def test_keeping_more_makes_no_other_image() -> None:
    assert Options(keep=1).shaping == Options(keep=9).shaping
    assert len({Options().shaping, Options(compression="small").shaping, Options(kernel_args="quiet").shaping}) == 3
