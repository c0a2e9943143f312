# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node says of itself, and what is asked of it then."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.applying import REFUSED
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.deltas import Archive
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.push import (
    AUTO,
    DELTA,
    FULL,
    Options,
    Push,
    Pushed,
    parse_running,
)
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.rsync import Transfer
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.source import Source
from ansible_collections.perceus.cluster.plugins.module_utils._process import Completed
from ansible_collections.perceus.cluster.plugins.module_utils._ssh import Login
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns

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


@pytest.mark.parametrize("said", ["", "debian\n", "debian\n0123456789abcdef\n\nquiet\nnot mountinfo\n"])
def test_a_node_that_says_something_else_is_an_error_of_its_own(said: str) -> None:
    with pytest.raises(PerceusError, match="does not say what it runs"):
        parse_running(said)


def test_a_node_names_what_a_livesync_that_did_not_end_was_making_of_it() -> None:
    assert parse_running(SAID).unfinished == ""
    assert parse_running(SAID.replace("\n\n", "\nfull\n")).unfinished == "full"


def test_what_a_node_booted_is_a_generation_or_nothing() -> None:
    assert parse_running(SAID.replace("fedcba9876543210", "../../etc")).booted == ""


@dataclass
class Node:
    """What the node of ``SAID`` is asked, and how it takes it."""

    said: str = SAID
    ended: Completed = field(default_factory=lambda: Completed((), 0, ">f+++++++++ etc/new\n", ""))
    asked: list[tuple[str, ...]] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], **options: Any) -> Completed:
        words = shlex.split(argv[-1]) if argv[0] == "ssh" else list(argv)
        self.asked.append(tuple(words))
        self.given.append(options.get("stdin"))
        if "/proc/cmdline" in words[-1]:
            return Completed((), 0, self.said, "")
        return self.ended if words[0] == "timeout" else Completed((), 0, "", "")

    @property
    def doings(self) -> list[str]:
        """What it was asked for, after what it runs."""
        named = {"timeout": "delta", "rsync": "full", "sh": "login"}
        return [named[words[0]] for words in self.asked[1:]]


def push(node: Node, generation: str, *, method: str = AUTO, drift: str = "", dry_run: bool = False) -> Pushed:
    options = Options(
        skip=compile_patterns(["/var/log/**"]), method=method, delete=True, forks=1, timeout=60, dry_run=dry_run
    )
    return Push(
        source=Source("debian", generation, "kernel", Path("/store/images/x"), {}, ""),
        options=options,
        kernel_of=lambda _generation: "kernel",
        delta_of=lambda _generation: Archive("http://10.17.5.1/vnfs/debian/deltas/x", "a" * 64, 4711),
        must_read_all=lambda generation: generation != NOW,
        skip_of=lambda _name: options.skip,
        drift_of=lambda _name: drift,
        runner=node,
    )(Login("n101", IPv4Address("10.17.5.101"), Path("known_hosts")))


NOW, NEW = "0123456789abcdef", "1" * 16


def test_a_node_that_runs_the_present_generation_is_asked_for_nothing_more() -> None:
    node = Node()
    pushed = push(node, NOW)
    assert (pushed.method, pushed.changed, node.doings) == (DELTA, False, [])


def test_a_node_that_runs_another_generation_applies_a_delta() -> None:
    node = Node()
    pushed = push(node, NEW)
    assert (pushed.method, pushed.reason, pushed.transfer) == (DELTA, None, Transfer((">f+++++++++ etc/new",), 4711))
    assert node.doings == ["delta", "login"]
    assert node.given[1].split("\0")[:6] == ["- /dev", "- /proc", "- /run", "- /sys", "- /tmp", "- /etc/machine-id"]
    rehearsed = Node()
    assert push(rehearsed, NEW, dry_run=True).changed
    assert rehearsed.doings == ["delta"]
    assert "--dry-run" in rehearsed.asked[1]


@pytest.mark.parametrize(
    ("said", "drift", "status", "reason", "doings"),
    [
        (SAID, "3 files", 0, "it has drifted: 3 files", ["full", "login"]),
        (SAID.replace("\n\n", "\nfull\n"), "", 0, "a livesync was cut short on it", ["login", "full", "login"]),
        (SAID.replace("\n\n", f"\n{NEW}\n"), "", 0, "a livesync was cut short on it", ["login", "full", "login"]),
        (SAID, "", REFUSED, "no room", ["delta", "full", "login"]),
    ],
)
def test_a_node_for_which_a_delta_does_not_do_gets_everything(
    said: str, drift: str, status: int, reason: str, doings: list[str]
) -> None:
    ended = Completed((), status, "", "no room\n" if status else "")
    node = Node(said, ended)
    pushed = push(node, NEW, drift=drift)
    assert (pushed.method, pushed.reason, node.doings) == (FULL, reason, doings)
    with pytest.raises(PerceusError, match=f"a delta does not do: {reason}. Use method 'full'"):
        push(Node(said, ended), NEW, method=DELTA, drift=drift)


def test_a_livesync_of_which_only_the_last_word_is_missing_has_ended() -> None:
    node = Node(SAID.replace("\n\n", f"\n{NOW}\n"))
    assert push(node, NEW).method == DELTA


def test_everything_is_compared_when_that_is_asked_for() -> None:
    node = Node()
    pushed = push(node, NOW, method=FULL)
    assert (pushed.method, pushed.reason, pushed.changed, node.doings) == (FULL, None, False, ["full", "login"])
