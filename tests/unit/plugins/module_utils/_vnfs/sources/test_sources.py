# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils import _vnfs
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources import (
    SOURCES,
    parse_source,
    plain_source,
    want_source,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap

TRIXIE = Mmdebstrap(suite="trixie", components=("main", "contrib"))


def test_every_source_has_its_file_and_every_file_its_source() -> None:
    folder = Path(str(_vnfs.__file__)).parent / "sources"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "order"} == set(SOURCES)


def test_every_source_can_be_asked_for_in_the_playbook(root: Path) -> None:
    text = (root / "playbooks/vnfs_build.yml").read_text()
    assert [name for name in SOURCES if f'{name}: "{{{{ item.{name} | default(omit) }}}}"' not in text] == []


def test_a_source_comes_back_as_it_was_written() -> None:
    assert parse_source(plain_source(TRIXIE)) == TRIXIE


def test_what_is_not_said_stays_as_it_is() -> None:
    assert want_source({"mmdebstrap": None}, current=TRIXIE) == TRIXIE
    wanted = want_source({"mmdebstrap": {"suite": "sid", "components": None}}, current=TRIXIE)
    assert wanted == Mmdebstrap(suite="sid", components=("main", "contrib"))


def test_a_new_vnfs_has_what_its_source_proposes() -> None:
    assert plain_source(want_source({"mmdebstrap": {"variant": "apt"}}, current=None))["suite"]


def test_there_is_one_source() -> None:
    with pytest.raises(PerceusError, match="from 'tape'"):
        parse_source({"type": "tape"})
    with pytest.raises(PerceusError, match="mmdebstrap and tape at once"):
        want_source({"mmdebstrap": {}, "tape": {}}, current=None)
