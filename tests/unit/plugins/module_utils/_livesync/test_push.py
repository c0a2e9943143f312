# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node says of itself."""

from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.push import parse_running

SAID = """\
debian
0123456789abcdef
quiet perceus.node=n101 perceus.generation=fedcba9876543210 ip=10.17.5.101::10.17.5.1:255.255.255.0:n101::none
1 1 0:30 / / rw - overlay perceus-root rw
2 1 0:31 / /my\\040scratch rw - xfs /dev/vda1 rw
3 1 0:32 /run/machine-id /etc/machine-id ro - tmpfs tmpfs ro
"""


def test_a_node_names_its_generations_and_what_is_mounted() -> None:
    node = parse_running(SAID)
    assert (node.vnfs, node.generation, node.booted) == ("debian", "0123456789abcdef", "fedcba9876543210")
    assert node.mounts == ("/etc/machine-id", "/my scratch")


def test_a_node_names_what_it_has_by_overlays() -> None:
    node = parse_running(f"{SAID}\n/etc/motd\n/etc/perceus/init.d/10-x\n")
    assert node.overlaid == ("/etc/motd", "/etc/perceus/init.d/10-x")
    assert node.mounts == parse_running(SAID).mounts
    assert parse_running(SAID).overlaid == ()


@pytest.mark.parametrize("said", ["", "debian\n", "debian\n0123456789abcdef\nquiet\nnot mountinfo\n"])
def test_a_node_that_says_something_else_is_an_error_of_its_own(said: str) -> None:
    with pytest.raises(PerceusError, match="does not say what it runs"):
        parse_running(said)


def test_what_a_node_booted_is_a_generation_or_nothing() -> None:
    assert parse_running(SAID.replace("fedcba9876543210", "../../etc")).booted == ""
