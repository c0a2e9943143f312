# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.hosts import BEGIN, END, fill_hosts, name_nodes

LINES = "10.17.5.101 n101.cluster.internal n101\n"


def test_only_what_is_between_the_marks_is_replaced() -> None:
    around = b"127.0.0.1 localhost\n", b"10.0.0.9 caf\xe9\n"
    before = around[0] + BEGIN + b"10.17.5.9 n9\n" + END + around[1]
    assert fill_hosts(before, LINES) == around[0] + BEGIN + LINES.encode() + END + around[1]
    assert fill_hosts(before, "") == around[0] + BEGIN + END + around[1]


@pytest.mark.parametrize("content", [b"", b"127.0.0.1 localhost\n", BEGIN, END, END + BEGIN])
def test_a_file_without_both_marks_is_left_alone(content: bytes) -> None:
    assert fill_hosts(content, LINES) == content


def test_an_unchanged_file_is_not_written(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    name_nodes(LINES, hosts=hosts)
    assert not hosts.exists()
    hosts.write_bytes(BEGIN + END)
    name_nodes(LINES, hosts=hosts)
    first = hosts.stat()
    name_nodes(LINES, hosts=hosts)
    assert hosts.stat().st_ino == first.st_ino
    assert hosts.read_text().splitlines()[1] == LINES.strip()
