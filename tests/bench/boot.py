#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a node boots by ours, and how the same tree boots otherwise.

``make bench-boot`` runs it, as root. A lab of its own has a master and four machines. In turn, by each way, one machine
is powered on until it lets root in by ssh: seconds, the CPU that emulating it took, what it fetched, and the memory
that it has then. Then each way is tried with less and less memory, and with two and four machines at once. The other
ways are told in tests/bench/ways.py. What is printed is a table; without a quiet machine its seconds are worth little,
the CPU a little more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "molecule")]

from lab import console, inventory, lifecycle, network, node, process, ssh  # noqa: E402
from lab.errors import LabError  # noqa: E402
from lab.settings import Lab, Machine  # noqa: E402

from tests.bench.limits import Table  # noqa: E402
from tests.bench.ways import Way, boot_script, make_ways  # noqa: E402

MACHINES = tuple(Machine(f"n{101 + index}", f"52:54:00:17:05:0{1 + index}", memory=2048) for index in range(4))
STEP = 16  # MiB
PATIENCE = 600  # seconds for a boot
SETTLING = 10  # seconds that a node has to itself before its memory is looked at
# Of a boot that will not come: the kernel's and dracut's words, an error of iPXE, and our first stage's.
FAILED = re.compile(rf"{console.FATAL.pattern}|ipxe\.org/[0-9a-f]{{8}}|perceus: the image needs")


@dataclass(frozen=True)
class Boot:
    """Of one machine, from power-on to ssh: seconds, seconds of the host's CPU, and bytes that it was sent."""

    seconds: float
    cpu: float
    received: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up, for another run")
    parser.add_argument("--skip", nargs="*", default=[], choices=("memory", "many"), help="what not to measure")
    options = parser.parse_args()
    os.environ.setdefault("PERCEUS_LAB", "bench")
    lab = replace(Lab.from_environment(), machines=MACHINES)
    try:
        if not options.keep:
            lifecycle.down(lab)
        return measure(Bench(lab), options.rounds, skipped=options.skip)
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            lifecycle.down(lab)


def measure(bench: Bench, rounds: int, *, skipped: Iterable[str]) -> int:
    """Print the table; return the exit status."""
    ways = bench.prepare()
    table = Table("what", *(way.name for way in ways), "share")
    boots: dict[str, list[Boot]] = {way.name: [] for way in ways}
    memory: dict[str, list[float]] = {way.name: [] for way in ways}
    for turn in range(rounds):
        for way in ways if turn % 2 == 0 else reversed(ways):
            [boot] = bench.must_boot(way, MACHINES[:1])
            boots[way.name].append(boot)
            memory[way.name].append(bench.memory_available(MACHINES[0]))

    def add(what: str, values: list[float], *, beside: float, **limit: float) -> None:
        share = values[0] / beside
        table.add(what, *(f"{value:.0f}" for value in values), f"{share:.2f}", value=share, **limit)

    def medians(value: Callable[[Boot], float]) -> list[float]:
        return [statistics.median(map(value, boots[way.name])) for way in ways]

    seconds = medians(lambda boot: boot.seconds)
    add("power-on to ssh, s", seconds, beside=min(seconds[1:]), at_most=1)
    cpu = medians(lambda boot: boot.cpu)
    add("CPU until then, s", cpu, beside=min(cpu[1:]))
    sent = medians(lambda boot: boot.received / 1e6)
    add("fetched, MB", sent, beside=sent[1])
    available = [statistics.median(memory[way.name]) for way in ways]
    add("MemAvailable of 2,048 MiB", available, beside=available[1], at_least=1.15)
    if "memory" not in skipped:
        least = [float(bench.find_least_memory(way)) for way in ways]
        add("boots with, MiB", least, beside=least[1], at_most=0.3)
    if "many" not in skipped:
        for count in (2, 4):
            last = [max(boot.seconds for boot in bench.must_boot(way, MACHINES[:count])) for way in ways]
            add(f"{count} at once, last, s", last, beside=min(last[1:]))
    return table.status


@dataclass(frozen=True)
class Bench:
    """The lab with its master, and machines that boot what they are told."""

    lab: Lab

    def prepare(self) -> list[Way]:
        """Make the master, the VNFS and all ways to boot it; return them, ours first."""
        lifecycle.up(self.lab)
        for playbook in ("site", "vnfs_build", "vnfs_publish"):
            process.run(["ansible-playbook", "-i", str(inventory.MASTER), f"perceus.cluster.{playbook}"], timeout=1800)
        for machine in self.lab.machines:
            options = json.dumps({"name": machine.name, "macs": [machine.mac]})
            module = ["-m", "perceus.cluster.node", "-a", options]
            process.run(["ansible", "-i", str(inventory.MASTER), "master", *module], timeout=120)
        self._on_master("systemctl", "start", "perceus-reconcile.service")
        # It would write the boot scripts anew.
        self._on_master("systemctl", "stop", "perceus-reconcile.path", "perceus-reconcile.timer")
        return make_ways(self.lab, "linux-image-cloud-amd64")

    def must_boot(self, way: Way, machines: tuple[Machine, ...]) -> list[Boot]:
        boots = self.boot(way, machines, timeout=PATIENCE * len(machines))
        if boots is None:
            said = "\n".join(console.tail(self.lab.console(machine)) for machine in machines)
            raise LabError(f"Cannot boot by {way.name}\n{said}")
        return boots

    def boot(self, way: Way, machines: tuple[Machine, ...], *, timeout: float) -> list[Boot] | None:
        """Power machines on at once; return what it took each, None if one does not come up."""
        for machine in machines:
            node.stop(self.lab, machine)
            boot_script(self.lab, machine).write_text(way.script_for(machine))
        sent = {machine: self._sent_to(machine) for machine in machines}
        start = time.monotonic()
        for machine in machines:
            node.start(self.lab, machine)
        up: dict[Machine, Boot] = {}
        try:
            while len(up) < len(machines):
                for machine in machines:
                    if machine not in up and self._ask(machine, "true") is not None:
                        seconds = time.monotonic() - start
                        up[machine] = Boot(seconds, self._cpu(machine), self._sent_to(machine) - sent[machine])
                    elif machine not in up and FAILED.search(console.text(self.lab.console(machine))):
                        return None
                if time.monotonic() - start > timeout:
                    return None
                time.sleep(0.5)
        finally:
            if len(machines) > 1 or not up:
                for machine in machines:
                    node.stop(self.lab, machine)
        return [up[machine] for machine in machines]

    def memory_available(self, machine: Machine) -> float:
        """Return a running node's MemAvailable in MiB, once it is up, and switch it off."""
        up = "systemctl --quiet is-active multi-user.target"
        process.wait_until(
            lambda: self._ask(machine, up) is not None, timeout=PATIENCE, reason=f"{machine.name} does not come up"
        )
        time.sleep(SETTLING)
        said = self._ask(machine, "cat /proc/meminfo")
        node.stop(self.lab, machine)
        if said is None:
            raise LabError(f"Cannot read the memory of {machine.name}: no ssh")
        return int(said[said.index("MemAvailable:") :].split()[1]) / 1024

    def find_least_memory(self, way: Way) -> int:
        """Return the least multiple of STEP with which a machine boots, sought from where it is expected."""
        memory = way.enough
        while not self._boots_with(way, memory):
            memory += STEP
        if memory == way.enough:
            while self._boots_with(way, memory - STEP):
                memory -= STEP
        return memory

    def _boots_with(self, way: Way, memory: int) -> bool:
        machine = replace(MACHINES[0], memory=memory)
        booted = self.boot(way, (machine,), timeout=PATIENCE) is not None
        node.stop(self.lab, machine)
        print(f"{way.name} {'boots' if booted else 'does not boot'} with {memory} MiB", file=sys.stderr)
        return booted

    def _ask(self, machine: Machine, command: str) -> str | None:
        """Run a command on whoever has a node's address; return what it said, None if it or the login failed.

        By other ways than ours a machine has another key at each boot.
        """
        anyone = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        argv = ["ssh", "-F", str(self.lab.ssh_config), *anyone, f"10.17.5.{machine.name[1:]}", command]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else None

    def _sent_to(self, machine: Machine) -> int:
        """What has gone through a machine's cable to it, in bytes."""
        network.plug(self.lab, machine)
        said = process.run(["ip", "-n", self.lab.switch, "-json", "-statistics", "link", "show", machine.name])
        return int(json.loads(said)[0]["stats64"]["tx"]["bytes"])

    def _cpu(self, machine: Machine) -> float:
        """The CPU time of a machine's QEMU since its start, in seconds."""
        used = (self.lab.part(machine.name).path / "cpu.stat").read_text().split()
        return int(used[used.index("usage_usec") + 1]) / 1e6

    def _on_master(self, *argv: str) -> None:
        process.run(ssh.command(self.lab, "master", argv))


if __name__ == "__main__":
    sys.exit(main())
