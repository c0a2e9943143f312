# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes a livesync is for."""

from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.targets import select_targets
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import Machine


def node(name: str, *, vnfs: str = "debian", state: str | None = "ready", live: bool = True) -> Machine:
    return Machine(name, ("nodes", "live" if live else "expired"), {"vnfs": vnfs, "state": state})


NODES = [
    node("n101"),
    node("n102", vnfs="other"),
    node("n103", state="fetch"),
    node("n104", state="livesync"),
    node("n105", live=False),
    node("n106", state=None),
]


def select(*names: str) -> list[str]:
    return [node.name for node in select_targets(NODES, vnfs="debian", names=names)]


def test_without_names_it_is_for_every_node_of_the_vnfs_that_is_up() -> None:
    assert select() == ["n101", "n104"]


def test_names_decide_whatever_the_master_knows_of_them_and_each_counts_once() -> None:
    assert select("n105", "n101", "n105") == ["n105", "n101"]


@pytest.mark.parametrize(("name", "said"), [("n999", "there is no such node"), ("n102", "it boots 'other'")])
def test_a_name_that_cannot_be_meant_is_refused(name: str, said: str) -> None:
    with pytest.raises(PerceusError, match=said):
        select("n101", name)
