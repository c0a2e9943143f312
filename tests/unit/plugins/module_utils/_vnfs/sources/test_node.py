# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._ssh import Login
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.node import (
    Node,
    build_rsync_argv,
    find_reason,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7f"


def test_the_command_line() -> None:
    login = Login("n101", IPv4Address("10.17.5.101"), Path("/known_hosts"))
    argv = build_rsync_argv(Node("n101", exclude=("/home/**",)), login, Path("/new/rootfs"))
    assert argv[:4] == ["rsync", "-aHAXSx", "--numeric-ids", "--timeout=60"]
    rules = [word.partition("=")[2] for word in argv if word.startswith("--filter=")]
    assert rules == ["- /dev/*", "- /proc/*", "- /run/*", "- /sys/*", "- /tmp/*", "- /home/**"]
    assert "StrictHostKeyChecking=yes" in argv[-4]
    assert argv[-3:] == ["--", "root@10.17.5.101:/", "/new/rootfs/"]


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (
            "@@@\nHost key verification failed.\nrsync: connection closed\nrsync error: x\n",
            "Host key verification failed.",
        ),
        ("rsync: [sender] no space\nrsync error: some files\n", "rsync: [sender] no space"),
        ("", ""),
    ],
)
def test_the_line_that_says_why(stderr: str, reason: str) -> None:
    assert find_reason(stderr) == reason


@pytest.mark.parametrize(
    "values",
    [
        {"host": "-oProxyCommand=reboot"},
        {"host": "a b"},
        {"host": "n101", "host_key": KEY},
        {"host": "10.0.0.1"},
        {"host": "10.0.0.1", "host_key": f"{KEY}\n* {KEY}"},
        {"host": "10.0.0.1", "host_key": "ssh-rsa AAAA"},
        {"host": "n101", "exclude": ("home",)},
    ],
)
def test_hostile_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match=r"Cannot (use|name)"):
        Node(**values)
