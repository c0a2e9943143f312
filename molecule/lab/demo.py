# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way once: master, VNFS, two nodes from the network, and a change that reaches them while they run."""

from __future__ import annotations

import re
import time

from lab import console, inventory, lifecycle, node, process, ssh
from lab.errors import LabError
from lab.settings import Lab, Machine

CHANGE = "/etc/motd"
STAGE = re.compile(r"^perceus: (.*)\n", re.MULTILINE)
BOOT_TIMEOUT = 400  # seconds, from power on to a login with the node's permanent host key

LOOK_IN = """
Look in:   make shell                  a shell on the master; from there: ssh n101
           make console NODE=n101      what the node said while it booted
Remove it: make down
"""


def run(lab: Lab) -> None:
    """Play the demo on the terminal. A failure leaves the cluster up and shows what the nodes said last."""
    story = _Story(lab)
    try:
        story.tell()
    except LabError:
        for machine in lab.machines:
            if node.running(lab, machine):
                print(f"\n--- the last lines of {machine.name}'s console\n{console.tail(lab.console(machine))}")
        print(LOOK_IN)
        raise
    print(LOOK_IN)


class _Story:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.begun = time.monotonic()

    def tell(self) -> None:
        self._say("Boot a fresh Debian machine that is to be the master")
        lifecycle.up(self.lab)
        self._say("Make it the master")
        self._play("site")
        self._say("Build the VNFS")
        self._play("vnfs_build")
        self._say("Publish it as an image")
        self._play("vnfs_publish")
        self._say("Power on two bare machines")
        node.start_in_order(self.lab)
        self._await_nodes()
        self._say("See who is there")
        process.show(["ansible-inventory", "-i", str(inventory.nodes(self.lab)), "--graph"])
        self._play("nodes_summary")
        self._say(f"Change {CHANGE} in the VNFS, publish it, and push it to the running nodes")
        words = f"Livesynced at {time.strftime('%H:%M:%S')}"
        change = f'{{"name": "debian", "argv": ["sh", "-c", "echo {words} > {CHANGE}"]}}'
        module = ["-m", "perceus.cluster.vnfs_command", "-a", change]
        process.show(["ansible", "-i", str(inventory.MASTER), "master", *module])
        self._play("vnfs_publish")
        self._play("livesync")
        self._say("See the change on the nodes")
        for machine in self.lab.machines:
            self._see(machine.name, CHANGE, words)
        self._say("Done")

    def _say(self, text: str) -> None:
        print(f"\n=== {time.monotonic() - self.begun:4.0f} s  {text}", flush=True)

    def _play(self, playbook: str) -> None:
        process.show(["ansible-playbook", "-i", str(inventory.MASTER), f"perceus.cluster.{playbook}"])

    def _await_nodes(self) -> None:
        """Print what the nodes' first stage says until every node lets its master in, checked by its permanent key."""
        deadline = time.monotonic() + BOOT_TIMEOUT
        told = {machine.name: 0 for machine in self.lab.machines}
        waited_for = list(self.lab.machines)
        while waited_for:
            for machine in list(waited_for):
                log = self.lab.console(machine)
                console.check(log)
                stages = STAGE.findall(console.text(log))
                for stage in stages[told[machine.name] :]:
                    self._tell(machine, stage)
                told[machine.name] = len(stages)
                if ssh.answers(self.lab, machine.name):
                    self._tell(machine, "is up")
                    waited_for.remove(machine)
            if time.monotonic() > deadline:
                names = " and ".join(machine.name for machine in waited_for)
                raise LabError(f"Cannot log in to {names}: no answer after {BOOT_TIMEOUT} s")
            time.sleep(1)

    def _tell(self, machine: Machine, text: str) -> None:
        print(f"    {time.monotonic() - self.begun:4.0f} s  {machine.name}: {text}", flush=True)

    def _see(self, name: str, file: str, wanted: str) -> None:
        seen = process.run(ssh.command(self.lab, name, ["cat", file])).strip()
        print(f"{name}:{file}: {seen}", flush=True)
        if seen != wanted:
            raise LabError(f"Cannot see {wanted!r} in {file} on {name}: it says {seen!r}")
