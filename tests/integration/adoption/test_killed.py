# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconciler is killed in the middle of its work, again and again, while many machines come."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

MACHINES = 120
KILLS = 12
STEP = 0.04  # seconds; each run is let live by so much longer than the one before


def test_what_a_killed_run_leaves_is_whole_and_the_next_one_completes_it(
    master: Any, clients: Any, dnsmasq: Any
) -> None:
    macs = [f"52:54:00:00:00:{number:02x}" for number in range(MACHINES)]
    for mac in macs:
        clients.boot(mac)
    ended = set()
    for kill in range(KILLS):
        running = subprocess.Popen(master.argv(), stdout=subprocess.DEVNULL)
        time.sleep(kill * STEP)
        running.kill()
        ended.add(running.wait())
        assert all(is_whole(file) for file in (master.config.state_dir / "boot").glob("[!.]*"))
        assert len(master.registry().nodes) in (0, MACHINES)
        master.record()
    assert -9 in ended
    master.run()
    assert master.names() == {mac: f"n{101 + index}" for index, mac in enumerate(by_end_of_lease(macs, master))}
    assert master.run() == []
    assert {file.name for file in master.config.state_dir.rglob(".*")} == {".lock"}
    for index in range(MACHINES):
        assert dnsmasq.look_up(f"n{101 + index}.cluster.internal") == [f"10.17.5.{101 + index}"]


def is_whole(script: Path) -> bool:
    text = script.read_text()
    return text.startswith("#!ipxe\n") and text.endswith("\n")


def by_end_of_lease(macs: list[str], master: Any) -> list[str]:
    ends = {line.split()[1]: int(line.split()[0]) for line in master.config.leases.read_text().splitlines()}
    return sorted(macs, key=lambda mac: (ends[mac], mac))
