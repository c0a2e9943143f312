# SPDX-License-Identifier: GPL-3.0-or-later
"""What rsync is told and what it says."""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.rsync import (
    build_rsync_argv,
    build_rules,
    escape,
    parse_transfer,
    translate,
)
from ansible_collections.perceus.cluster.plugins.module_utils._ssh import Login
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns
from hypothesis import given
from hypothesis import strategies as st

LOGIN = Login("n101", IPv4Address("10.17.5.101"), Path("/var/lib/perceus/known_hosts"))

OUTPUT = """\
<f.st...... etc/motd
cL+++++++++ etc/link -> nowhere
hf+++++++++ usr/bin/twin => usr/bin/new
.d...p..... opt/
*deleting   etc/go ne
<f+++++++++ Total bytes sent: 7

Number of files: 4 (reg: 4)
Total bytes sent: 1875430
Total bytes received: 52
"""


def build(*, checksum: bool = False, delete: bool = True, dry_run: bool = False) -> list[str]:
    how = {"checksum": checksum, "delete": delete, "dry_run": dry_run}
    return build_rsync_argv(Path("/store/images/1"), LOGIN, rules=["- /dev"], **how, timeout=120)


def test_a_node_is_made_like_the_source_without_writing_any_file_in_place() -> None:
    argv = build()
    assert argv[0] == "rsync"
    assert {
        "-aHAXSx",
        "--numeric-ids",
        "--delay-updates",
        "--delete-delay",
        "--filter=- /dev",
        "--modify-window=-1",
    } <= set(argv)
    assert argv[-3:] == ["--", "/store/images/1/", "root@10.17.5.101:/"]
    assert not {"--inplace", "--dry-run", "--checksum"} & set(argv)
    assert "--checksum" in build(checksum=True)


def test_rsync_logs_in_strictly_and_anew() -> None:
    shell = next(word for word in build() if word.startswith("--rsh=")).partition("=")[2]
    options = shlex.split(shell)
    assert options[:3] == ["ssh", "-F", "none"]
    assert {"StrictHostKeyChecking=yes", "HostKeyAlias=n101", "ControlPath=none", "BatchMode=yes"} <= set(options)


def test_a_dry_run_and_no_deletion_are_what_they_say() -> None:
    assert "--dry-run" in build(dry_run=True)
    assert not any(word.startswith("--delete") for word in build(delete=False))


def test_the_nodes_own_comes_before_all_patterns() -> None:
    assert build_rules(compile_patterns(["/var/log/**", "/etc/machine-id"]), ["/scratch"]) == [
        "- /dev",
        "- /proc",
        "- /run",
        "- /sys",
        "- /tmp",
        "- /scratch",
        "protect /etc/machine-id",
        "hide /etc/machine-id",
        "protect /var/log/**",
        "show /var/log/**/",
        "hide /var/log/**",
    ]


@pytest.mark.parametrize(
    ("path", "pattern"),
    [("/a b", "/a b"), ("/a*", "/a\\*"), ("/a[1]", "/a\\[1]"), ("/a\\b", "/a\\b"), ("/a\\b?", "/a\\\\b\\?")],
)
def test_a_mount_point_is_a_pattern_of_itself_alone(path: str, pattern: str) -> None:
    assert escape(path) == pattern


@pytest.mark.parametrize(
    ("pattern", "translated"),
    [
        ("/etc/machine-id", ["/etc/machine-id"]),
        ("/var/log/**", ["/var/log/**"]),
        ("/usr/**/*.pyc", ["/usr/*.pyc", "/usr/**/*.pyc"]),
        ("/**/a/**/b/", ["/a/b/", "/a/**/b/", "/**/a/b/", "/**/a/**/b/"]),
        (r"/a/**/b\\c\d", [r"/a/b\cd", r"/a/**/b\\c\d"]),
        (r"/a\*", [r"/a\*"]),
    ],
)
def test_rsync_is_told_what_a_pattern_of_ours_means(pattern: str, translated: list[str]) -> None:
    assert sorted(translate(pattern)) == sorted(translated)


def test_each_path_is_one_item_whatever_its_name() -> None:
    transfer = parse_transfer(OUTPUT)
    assert len(transfer.items) == 6
    assert transfer.sent == 1875430


@given(st.text())
def test_any_output_is_read(output: str) -> None:
    assert parse_transfer(output).sent >= 0
