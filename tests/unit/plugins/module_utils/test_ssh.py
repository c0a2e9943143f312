# SPDX-License-Identifier: GPL-3.0-or-later
"""How the master logs in."""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address
from pathlib import Path

from ansible_collections.perceus.cluster.plugins.module_utils._ssh import Login, build_ssh_argv
from hypothesis import given
from hypothesis import strategies as st

LOGIN = Login("n101", IPv4Address("10.17.5.101"), Path("/known_hosts"), Path("/key"))


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_the_nodes_shell_gets_every_word_as_it_is(command: list[str]) -> None:
    argv = build_ssh_argv(LOGIN, command)
    assert argv[-3:-1] == ["--", "root@10.17.5.101"]
    assert shlex.split(argv[-1]) == command


def test_only_the_given_keys_count() -> None:
    argv = build_ssh_argv(LOGIN, ["true"])
    assert argv[:3] == ["ssh", "-F", "none"]
    assert {
        "UserKnownHostsFile=/known_hosts",
        "GlobalKnownHostsFile=none",
        "IdentityFile=/key",
        "IdentityAgent=none",
    } <= set(argv)
