#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long ``ansible-inventory`` takes with the live inventory, beside a script that prints the same hosts as JSON.

``make bench-inventory`` runs it. All sides of a size take turns, and their medians are compared. Times are seconds and
include Ansible's own start; memory is the largest resident set, in MB. What is printed is a table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".cache/collections"
sys.path[:0] = [str(ROOT), str(COLLECTIONS)]
os.environ.update(
    PATH=f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
    ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
    ANSIBLE_CONFIG=str(ROOT / "tests/ansible.cfg"),
)

from ansible_collections.perceus.cluster.plugins.module_utils._leases.formats import parse_leases  # noqa: E402

from tests.bench.limits import Table  # noqa: E402
from tests.cluster import cluster_settings  # noqa: E402

RACK = 40  # nodes that share a group
FIRST_ADDRESS = IPv4Address("10.16.0.1")
MEASURE = """
import os, sys
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_pid, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(status != 0)
"""
UNSAFE = "__ansible_unsafe"
CONSTRUCTED = """
compose:
  rack: perceus_group.split('_')[1]
groups:
  fine: perceus_state == 'ready'
keyed_groups:
  - prefix: rack
    key: perceus_group
  - prefix: runs
    key: perceus_generation
"""


@dataclass
class Measured:
    """What the runs of one side took."""

    seconds: list[float]
    megabytes: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default: %(default)s)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="how many nodes")
    options = parser.parse_args()
    table = Table("nodes", "what", "seconds", "MB", "beside the script")
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        for size in options.sizes:
            compare(table, Path(folder), size, rounds=options.rounds)
        compare_one_node(table, Path(folder), rounds=options.rounds)
        compare_parsing(table)
    return table.status


def compare(table: Table, folder: Path, size: int, *, rounds: int) -> None:
    """The plugin, plain and with groups and variables of a site's own, against a script with the same hosts."""
    plain = make_cluster(folder, size)
    constructed = variant(plain, "constructed", CONSTRUCTED)
    script = make_script(plain)
    for way in ("--list", "--graph"):
        sources: dict[str, Path | str] = {
            "no hosts": "localhost,",
            "script": script,
            "plain": plain,
            "constructed": constructed,
        }
        times = take_turns(sources, way, rounds=rounds)
        for name, wanted in (("no hosts", None), ("script", None), ("plain", 0.8), ("constructed", 1.1)):
            report(table, f"{size:,}", f"{name} {way}", times[name], beside=times["script"], wanted=wanted)


def compare_one_node(table: Table, folder: Path, *, rounds: int) -> None:
    """One node of 100,000 that was picked beforehand against 100 nodes."""
    large, small = make_cluster(folder, 100_000), make_cluster(folder, 100)
    picked = variant(large, "picked", "limit_nodes: [n050000]\n")
    times = take_turns({"picked": picked, "all of 100": small}, "--list", rounds=rounds)
    report(table, "100", "all --list", times["all of 100"], beside=times["all of 100"], wanted=None)
    report(table, "100,000", "one picked --list", times["picked"], beside=times["all of 100"], wanted=1.5)


def compare_parsing(table: Table) -> None:
    """100,000 leases against 10,000, of each DHCP server, in no order."""
    for server, (head, render) in LEASE_FILES.items():
        taken = []
        for size in (10_000, 100_000):
            numbers = random.Random(size).sample(range(size), size)  # noqa: S311 - the same in each run
            content = (head + "".join(map(render, numbers))).encode()
            taken.append(min(time_parsing(content, size) for _round in range(3)))
        share = taken[1] / taken[0]
        words = (f"parse leases of {server}", f"{taken[1]:.2f}", "", f"{share:.1f} times 10,000")
        table.add("100,000", *words, value=share, at_most=12)


def time_parsing(content: bytes, size: int) -> float:
    start = time.process_time()
    assert len(parse_leases(content).leases) == size
    return time.process_time() - start


def make_cluster(folder: Path, size: int) -> Path:
    """Write everything that a cluster of ``size`` nodes has, and return an inventory source for it."""
    place = folder / str(size)
    source = place / "perceus.yml"
    if source.exists():
        return source
    (place / "state/vnfs").mkdir(parents=True)
    last = FIRST_ADDRESS + size - 1
    settings = cluster_settings(
        place,
        address="10.0.0.1/8",
        node_range=f"{FIRST_ADDRESS}-{last}",
        discovery_range="10.1.0.1-10.1.0.250",
        node_name="n######",
        node_first=1,
    )
    (place / "cluster.json").write_text(json.dumps(settings))
    groups = {f"rack_{rack}": {"vnfs": f"vnfs-{rack % 3}"} for rack in range(size // RACK + 1)}
    nodes = ",\n".join(json.dumps(node_entry(number)) for number in range(size))
    (place / "state/nodes.json").write_text(
        f'{{"format": "perceus-nodes", "version": 1,\n"groups": {json.dumps(groups)},\n"nodes": [\n{nodes}\n]}}\n'
    )
    (place / "leases").write_text("".join(lease_line(number) for number in range(size)))
    (place / "reports.log").write_text("".join(report_line(number) for number in range(size)))
    source.write_text(f"plugin: perceus.cluster.leases\nconfig: {place / 'cluster.json'}\n")
    return source


def node_entry(number: int) -> Mapping[str, Any]:
    return {
        "name": f"n{number + 1:06d}",
        "macs": [mac_of(number)],
        "address": str(FIRST_ADDRESS + number),
        "group": f"rack_{number // RACK}",
        "enabled": number % 50 != 0,
        "machine_id": f"{number:032x}",
        "adopted": "2030-01-01T00:00:00Z",
    }


def lease_line(number: int) -> str:
    return f"4000000000 {mac_of(number)} {FIRST_ADDRESS + number} n{number + 1:06d} 01:{mac_of(number)}\n"


def declaration(number: int) -> str:
    """What ISC dhcpd writes of a lease."""
    return f"""\
lease {FIRST_ADDRESS + number} {{
  starts 2 2026/11/24 12:35:10;
  ends 4 2096/10/02 07:06:40;
  cltt 2 2026/11/24 12:35:10;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet {mac_of(number)};
  uid "\\001RT\\000\\000\\000\\001";
  client-hostname "n{number + 1:06d}";
}}
"""


def row(number: int) -> str:
    """What Kea writes of a lease."""
    mac = mac_of(number)
    return f"{FIRST_ADDRESS + number},{mac},01:{mac},43200,4000000000,1,0,0,n{number + 1:06d},0,\n"


KEA_HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
LEASE_FILES = {"dnsmasq": ("", lease_line), "ISC dhcpd": ("", declaration), "Kea": (KEA_HEADER, row)}


def report_line(number: int) -> str:
    said = {
        "time": "2030-01-01T00:00:00+00:00",
        "address": str(FIRST_ADDRESS + number),
        "stage": "ready",
        "mac": mac_of(number),
        "generation": "0123456789abcdef",
        "boot": "",
        "detail": "",
        "hostkey": "",
    }
    return json.dumps(said) + "\n"


def mac_of(number: int) -> str:
    return ":".join(f"52540{number:07x}"[index : index + 2] for index in range(0, 12, 2))


def variant(source: Path, name: str, options: str) -> Path:
    """Return a source like ``source`` with more options."""
    other = source.with_name(f"{name}.perceus.yml")
    other.write_text(source.read_text() + options)
    return other


def make_script(source: Path) -> Path:
    """Return a script inventory that prints what the plugin gives, as anybody's script would write it."""
    listing = subprocess.run(["ansible-inventory", "-i", source, "--list"], stdout=subprocess.PIPE, check=True).stdout
    content = json.loads(listing, object_hook=lambda value: value.get(UNSAFE, value))
    del content["_meta"]["profile"]
    printed = source.with_name("hosts.json")
    printed.write_text(json.dumps(content))
    script = source.with_name("script")
    script.write_text(f"#!/bin/sh\nexec cat {printed}\n")
    script.chmod(0o755)
    return script


def take_turns(sources: Mapping[str, Path | str], way: str, *, rounds: int) -> Mapping[str, Measured]:
    """Measure each source, in rounds, so that a busy moment meets all of them."""
    measured = {name: Measured([], 0) for name in sources}
    for _round in range(rounds):
        for name, source in sources.items():
            seconds, megabytes = run(source, way)
            measured[name].seconds.append(seconds)
            measured[name].megabytes = max(measured[name].megabytes, megabytes)
    return measured


def run(source: Path | str, way: str) -> tuple[float, float]:
    """Return seconds and MB of one ``ansible-inventory``."""
    start = time.monotonic()
    # By a small process in between: a new program's largest resident set counts from what its parent had.
    argv = [sys.executable, "-c", MEASURE, "ansible-inventory", "-i", str(source), way]
    used = subprocess.run(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, check=True).stderr
    return time.monotonic() - start, int(used.split()[-1]) / 1000


def report(table: Table, size: str, what: str, ours: Measured, *, beside: Measured, wanted: float | None) -> None:
    share = ours.median / beside.median
    words = (f"{ours.median:.2f}", f"{ours.megabytes:.0f}", f"{share:.2f}")
    table.add(size, what, *words, value=share, at_most=wanted)


if __name__ == "__main__":
    sys.exit(main())
