# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster in a box for all lab tests: booted once, by molecule, and changed by them in the order of their files."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import testinfra
from lab import console, lifecycle, node, ssh
from lab import inventory as hosts
from lab.settings import Lab
from testinfra.host import Host

from tests import zoo

BOOT = 300  # seconds that a node may take from power-on to ready, on a slow machine


@dataclass(frozen=True)
class Cluster:
    """What a test does to the lab, and sees of it."""

    lab: Lab
    root: Path

    def molecule(self, command: str) -> None:
        run(["molecule", command, "--scenario-name", "cluster"], cwd=self.root)

    def playbook(self, name: str, *arguments: str, status: int = 0) -> str:
        """Run one of the collection's playbooks, which is to end with this exit status; return what it printed."""
        return run(
            ["ansible-playbook", "--inventory", str(hosts.MASTER), f"perceus.cluster.{name}", *arguments],
            status=status,
        )

    def ansible(self, program: str, *arguments: str) -> str:
        """Run one of ansible's programs on master, nodes and VNFSs."""
        sources = (hosts.MASTER, hosts.nodes(self.lab))
        return run([program, *(word for source in sources for word in ("--inventory", str(source))), *arguments])

    def module(self, module: str, /, **options: object) -> str:
        """Run one of the collection's modules on the master."""
        argv = ["ansible", "--inventory", str(hosts.MASTER), "master", "--module-name", f"perceus.cluster.{module}"]
        return run([*argv, "--args", json.dumps(options)])

    def inventory(self) -> dict[str, Any]:
        """The live inventory, as ``ansible-inventory --list`` has it, less its marks on text from the wire."""
        output = run(["ansible-inventory", "--inventory", str(hosts.nodes(self.lab)), "--list"])
        return dict(json.loads(output, object_hook=lambda value: value.get("__ansible_unsafe", value)))

    def run(self, host: str, *argv: str) -> str:
        """Run a command on the master or a node over ssh, by the lab's one way in."""
        return run(ssh.command(self.lab, host, argv))

    def host(self, name: str) -> Host:
        """The master or a node for testinfra."""
        address = ssh.command(self.lab, name)[-1]
        return testinfra.get_host(f"ssh://{address}", ssh_config=str(self.lab.ssh_config), controlpersist=0)

    def on_master(self, file: str) -> Path:
        """A file of the master, seen from here."""
        return self.lab.root / file.lstrip("/")

    def edit_registry(self, edit: Callable[[list[dict[str, Any]]], object]) -> None:
        """Change the registry's nodes as an administrator with an editor would."""
        file = self.on_master("/var/lib/perceus/nodes.json")
        registry = json.loads(file.read_text())
        edit(registry["nodes"])
        file.write_text(json.dumps(registry))

    def reports(self, name: str, since: int = 0) -> list[dict]:
        """What a machine reported, from byte ``since`` of the log on, oldest first."""
        log = self.on_master("/var/log/perceus/reports.log")
        if not log.exists():
            return []
        mac = self.lab.machine(name).mac
        lines = log.read_bytes()[since:].decode().splitlines()
        reports = ({key: unquote(value) for key, value in json.loads(line).items()} for line in lines)
        return [report for report in reports if report["mac"] == mac]

    @property
    def log_end(self) -> int:
        """Where the report log ends now, in bytes."""
        return self.on_master("/var/log/perceus/reports.log").stat().st_size

    def wait_for_stage(self, name: str, stage: str, *, since: int = 0, timeout: float = BOOT) -> dict:
        """Wait until a machine has reported ``stage``, and return that report; show its console if it never does."""
        deadline = time.monotonic() + timeout
        while True:
            found = [report for report in self.reports(name, since) if report["stage"] == stage]
            if found:
                return found[0]
            said = console.text(self.lab.console(self.lab.machine(name)))
            fatal = console.FATAL.search(said)
            if fatal or time.monotonic() > deadline:
                cause = f"its console says {fatal[0]!r}" if fatal else f"not in {timeout:g} s"
                pytest.fail(f"{name} did not report {stage!r}: {cause}\n{self.console(name)}")
            time.sleep(0.5)

    def wait_for_login(self, name: str, *, timeout: float = 60) -> None:
        """Wait until a node lets its master in, checked by the node's permanent host key."""
        deadline = time.monotonic() + timeout
        while not ssh.answers(self.lab, name):
            if time.monotonic() > deadline:
                pytest.fail(f"no login on {name} after {timeout:g} s\n{self.console(name)}")
            time.sleep(1)

    def console(self, name: str, lines: int = 60) -> str:
        return console.tail(self.lab.console(self.lab.machine(name)), lines)

    def power_cycle(self, name: str, **hardware: Any) -> int:
        """Pull the plug and power on, as a machine that differs in this; return where the report log ended before."""
        since = self.log_end
        node.reset(self.lab, replace(self.lab.machine(name), **hardware))
        return since

    def boot(self, name: str, **hardware: Any) -> int:
        """Power-cycle a node, and wait until it is up and lets its master in; return as :meth:`power_cycle` does."""
        since = self.power_cycle(name, **hardware)
        self.wait_for_stage(name, "ready", since=since)
        self.wait_for_login(name)
        return since

    def boot_script(self, mac: str) -> str:
        """What iPXE is told for a machine, empty if there is nothing for it."""
        file = self.on_master(f"/var/lib/perceus/boot/{mac.replace(':', '-')}.ipxe")
        return file.read_text() if file.exists() else ""

    def zoo(self, name: str) -> list[dict[str, Any]]:
        """All about the files of the zoo that a node has."""
        script = shlex.quote(Path(zoo.__file__).read_text())
        return list(json.loads(self.run(name, "python3", "-c", script, "/srv/zoo")))

    def planted_zoo(self) -> list[dict[str, Any]]:
        """All about the files of the zoo in the VNFS debian."""
        return list(zoo.describe(self.on_master("/var/lib/perceus/vnfs/debian/rootfs/srv/zoo")))


def wait_for(condition: Callable[[], bool], *, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="session")
def bare(root: Path) -> Iterator[Cluster]:
    """The lab with a master as a fresh Debian machine is: nothing of the collection on it."""
    # Not the name of `make demo`'s lab, which may be up beside this one.
    os.environ.setdefault("PERCEUS_LAB", "test")
    cluster = Cluster(Lab.from_environment(), root)
    cluster.molecule("destroy")  # what a run that was killed left, molecule's own notes included
    try:
        cluster.molecule("create")
        yield cluster
    finally:
        cluster.molecule("destroy")
        left = lifecycle.leftovers(cluster.lab)
    assert not left, f"the lab left behind: {left}"


@pytest.fixture(scope="session")
def cluster(bare: Cluster) -> Cluster:
    """The lab with its master configured by site.yml, and a VNFS with a user and a zoo, published."""
    bare.molecule("converge")
    zoo.plant(bare.on_master("/var/lib/perceus/vnfs/debian/rootfs/srv/zoo"))
    for argv in (["useradd", "ann"], ["sh", "-c", "echo 'ann ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ann"]):
        bare.module("vnfs_command", name="debian", argv=argv)
    bare.playbook("vnfs_publish")
    return bare


@pytest.fixture(scope="session")
def nodes(cluster: Cluster) -> tuple[str, ...]:
    """The names of the nodes, booted one after the other so that the first is n101, and open to ssh."""
    node.start_in_order(cluster.lab)
    names = tuple(machine.name for machine in cluster.lab.machines)
    for name in names:
        cluster.wait_for_stage(name, "ready")
        cluster.wait_for_login(name)
    return names


def run(argv: list[str], *, cwd: Path | None = None, status: int = 0) -> str:
    done = subprocess.run(
        argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, errors="backslashreplace", check=False
    )
    if done.returncode != status:
        pytest.fail(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}")
    return done.stdout
