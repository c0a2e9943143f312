# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.archive import Archive

CHECKSUM = "sha256:" + "0" * 64


def test_what_nobody_vouches_for_is_said_aloud() -> None:
    assert Archive("/a.tar", CHECKSUM).warnings == ()
    assert Archive("/a.tar", unverified=True).warnings == ("Nobody vouches for '/a.tar': no checksum is given",)


def test_there_is_a_checksum_or_a_word_that_there_is_none() -> None:
    with pytest.raises(PerceusError, match=r"Cannot trust '/a\.tar': no checksum is given"):
        Archive("/a.tar")


@pytest.mark.parametrize(
    ("file", "checksum"), [("a.tar", CHECKSUM), ("/a\n", CHECKSUM), ("-C", CHECKSUM), ("/a", "0" * 64), ("/a", "")]
)
def test_hostile_values_are_refused(file: str, checksum: str) -> None:
    with pytest.raises(PerceusError, match="Cannot use"):
        Archive(file, checksum)
