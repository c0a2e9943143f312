# SPDX-License-Identifier: GPL-3.0-or-later
"""Heartbeats through the real web server: apart from the reports, and root's alone."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._heartbeats import load_words

MAC, GENERATION, BOOT = "52:54:00:00:00:01", "0123456789abcdef", "2c0e8b4e-3f0a-4a43-9c1b-0d6a1f6f3f60"


@pytest.fixture
def say(wire: Any, master: Any, nginx: Path, root: Path, tmp_path: Path) -> Any:
    """Have the node's own program tell the master something, with what it finds in /run/perceus of a node."""
    master.register("n101", MAC)
    program = (root / "roles/vnfs_store/files/node/usr/lib/perceus/report").read_text()
    (tmp_path / "report").write_text(program.replace("/run/perceus", str(tmp_path / "node")))
    (tmp_path / "node").mkdir()
    for fact, value in {"mac": MAC, "generation": GENERATION, "report": master.config.report_url}.items():
        (tmp_path / "node" / fact).write_text(f"{value}\n")

    def say(stage: str, detail: str = "") -> None:
        wire.nodes.ip("address", "replace", f"{master.registry().by_name['n101'].address}/16", "dev", "eth0")
        command = wire.nodes.command("sh", str(tmp_path / "report"), stage, detail)
        assert subprocess.run(command, check=False).returncode == 0, nginx.read_text()

    return say


def await_lines(log: Path) -> list[str]:
    """Return the lines of a log, to which nginx writes in order, but only after its answer."""
    deadline = time.monotonic() + 5
    while not log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return log.read_text().splitlines()


def test_a_heartbeat_is_heard_and_no_report(say: Any, master: Any) -> None:
    say("pivot")
    say("heartbeat")
    assert master.config.reports.read_text().count("\n") == 1
    word = load_words(master.config.reports, addresses=master.registry().addresses)[MAC]
    assert (word.report.stage, word.generation) == ("pivot", GENERATION)
    master.config.reports.write_text("")
    word = load_words(master.config.reports, addresses=master.registry().addresses)[MAC]
    assert (word.report.stage, word.generation) == ("ready", GENERATION)


def test_no_heartbeat_is_longer_than_those_of_nodes(say: Any, tmp_path: Path) -> None:
    """Long ones from one machine would push those of all others out of what is read of the log."""
    for detail in ("x" * 1000, ""):
        say("heartbeat", detail)
    (line,) = await_lines(tmp_path / "heartbeats.log")
    assert '"detail": ""' in line


def test_only_root_sends_heartbeats(wire: Any, say: Any, master: Any, tmp_path: Path) -> None:
    url = f"{master.config.report_url}?stage=heartbeat&mac={MAC}"
    wire.nodes.ip("address", "replace", "10.17.5.101/16", "dev", "eth0")
    command = wire.nodes.command("curl", "--silent", "--local-port", "2000-3000", "--max-time", "5", url)
    assert subprocess.run(command, check=False).returncode == 0
    assert (tmp_path / "heartbeats.log").read_text() == ""
    say("heartbeat")
    assert len(await_lines(tmp_path / "heartbeats.log")) == 1
