#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast machines that nobody knows become nodes with names, and what that costs the DHCP server.

``make bench-adoption`` runs it, as root. A thousand machines ask a real dnsmasq for addresses, one after the other as
fast as they are answered, with the reconciler at work and without it in turns; all in network namespaces of their own.
A name counts as there when dnsmasq's DNS answers for it. The last lines are the reconciler alone, with 10,000 machines.
What is printed is a table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".cache/collections")]

from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig, parse_config  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry  # noqa: E402

from tests.bench.limits import Table  # noqa: E402
from tests.cluster import cluster_settings  # noqa: E402
from tests.wire import DhcpClient, Dnsmasq, Reconciler, Wire, new_wire, running_dnsmasq  # noqa: E402

FIRST, DISCOVERY = IPv4Address("10.17.4.1"), IPv4Address("10.17.128.1")
PATIENCE = 30  # seconds for the last names


@dataclass
class Storm:
    """What came of one: DHCP answers a second, and how long each name took after the machine had its address."""

    answers: float
    waits: list[float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=1000, help="how many come (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0, help="in which they come evenly; 0 is as fast as they can")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each side (default: %(default)s)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("Cannot measure: network namespaces need root")
    macs = [mac_of(number) for number in range(options.machines)]
    alone, beside = [], []

    def storm_alone() -> None:
        with new_cluster(macs) as (wire, config, dnsmasq):
            alone.append(storm(macs, options.seconds, wire, config, dnsmasq))

    def storm_beside() -> None:
        with new_cluster(macs) as (wire, config, dnsmasq), Reconciler(wire, config, dnsmasq).watching():
            beside.append(storm(macs, options.seconds, wire, config, dnsmasq, named=True))

    for turn in range(options.rounds):
        sides = [storm_alone, storm_beside]
        for side in sides if turn % 2 else reversed(sides):
            os.sync()
            side()
    table = Table("what", "ours", "beside", "share")
    report(table, alone, beside)
    first, again = many(10_000)
    table.add("reconcile 10,000 new machines", f"{first:.2f} s", "", "", value=first, at_most=3)
    table.add("reconcile 10,000 nodes again", f"{again:.2f} s", "", "", value=again, at_most=1)
    return table.status


@contextlib.contextmanager
def new_cluster(macs: list[str]) -> Iterator[tuple[Wire, ClusterConfig, Dnsmasq]]:
    """A master with a running dnsmasq, and as many addresses for nodes as there are machines."""
    with tempfile.TemporaryDirectory(prefix="bench.", dir=ROOT / ".cache") as folder, new_wire() as wire:
        config = configure(Path(folder), len(macs))
        with running_dnsmasq(wire, config) as dnsmasq:
            yield wire, config, dnsmasq


def configure(folder: Path, machines: int) -> ClusterConfig:
    """Make the cluster's files, and its configuration with room for so many nodes."""
    settings = cluster_settings(
        folder,
        node_range=f"{FIRST}-{FIRST + machines - 1}",
        discovery_range=f"{DISCOVERY}-10.17.255.250",
        node_name="n#####",
        node_first=1,
    )
    (folder / "state/dnsmasq").mkdir(parents=True)
    (folder / "cluster.json").write_text(json.dumps(settings))
    (folder / "leases").touch()
    return parse_config(json.dumps(settings))


def many(machines: int) -> tuple[float, float]:
    """Return how long the reconciler takes when so many machines come at once, and when nothing changed since."""
    with tempfile.TemporaryDirectory(prefix="bench.", dir=ROOT / ".cache") as folder:
        config = configure(Path(folder), machines)
        leases = (f"4000000000 {mac_of(number)} {DISCOVERY + number} * *\n" for number in range(machines))
        config.leases.write_text("".join(leases))
        seconds = []
        for _ in range(2):
            start = time.monotonic()
            reconcile.run(lambda: config, reload=lambda: None, say=lambda _line: None)
            seconds.append(time.monotonic() - start)
        return seconds[0], seconds[1]


def mac_of(number: int) -> str:
    return f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"


def storm(
    macs: list[str], seconds: float, wire: Wire, config: ClusterConfig, dnsmasq: Dnsmasq, *, named: bool = False
) -> Storm:
    """Have each machine get an address; someone asks for the next name all the while, whether it comes or not."""
    names = [config.name_of(number) for number in config.numbers]
    seen: dict[str, float] = {}
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set() and len(seen) < len(names):
            name = names[len(seen)]
            if dnsmasq.look_up(f"{name}.{config.domain}"):
                seen[name] = time.monotonic()
            else:
                time.sleep(0.01)

    looking = threading.Thread(target=look)
    looking.start()
    clients = DhcpClient(wire.nodes)
    lent, start = {}, time.monotonic()
    for index, mac in enumerate(macs):
        time.sleep(max(0.0, start + index * seconds / len(macs) - time.monotonic()))
        clients.boot(mac)
        lent[mac] = time.monotonic()
    took = time.monotonic() - start
    clients.close()
    looking.join(PATIENCE if named else 0)
    stop.set()
    looking.join()
    nodes = load_registry(config.registry).nodes
    if named and not (len(nodes) == len(seen) == len({mac for node in nodes for mac in node.macs}) == len(macs)):
        sys.exit(f"Cannot call it done: {len(nodes)} nodes and {len(seen)} names of {len(macs)} machines")
    return Storm(2 * len(macs) / took, [seen[node.name] - lent[node.macs[0]] for node in nodes])


def report(table: Table, alone: list[Storm], beside: list[Storm]) -> None:
    """Print what the rounds gave."""
    theirs, ours = (statistics.median(storm.answers for storm in side) for side in (alone, beside))
    share = ours / theirs
    words = ("DHCP answers a second", f"{ours:.0f}", f"dnsmasq alone {theirs:.0f}", f"{share:.2f}")
    table.add(*words, value=share, at_least=0.95)
    waits = [wait for storm in beside for wait in storm.waits]
    p99 = statistics.quantiles(waits, n=100)[98]
    median = f"median {statistics.median(waits):.2f} s"
    table.add("lease until name, p99", f"{p99:.2f} s", median, "", value=p99, at_most=2)
    table.add("nodes with names", f"{len(beside[0].waits)} in each of {len(beside)} rounds", "", "")


if __name__ == "__main__":
    sys.exit(main())
