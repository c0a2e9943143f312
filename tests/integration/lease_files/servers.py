# SPDX-License-Identifier: GPL-3.0-or-later
"""Real DHCP servers of each kind, whose lease files are read, and machines with real clients, for which they write."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._leases.reader import load_leases

ADDRESS = "10.17.0.1"  # the master's, on the wire
LENGTH = 600  # seconds that leases last, unless a test says otherwise


def wait_for(wanted: Any, look: Callable[[], Any], *, patience: float = 5) -> None:
    """Give a server the moment that it needs to write; ``patience`` is in seconds."""
    deadline = time.monotonic() + patience
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, f"{seen!r} is not {wanted!r}"
        time.sleep(0.02)


@contextmanager
def renewing(
    clients: Any, lent: dict[str, str], *, after_each_round: Callable[[], object] = lambda: None
) -> Iterator[list[int]]:
    """Have machines renew their leases without a pause, so that their server writes; yields how often they did."""
    stop = threading.Event()
    renewals = [0]

    def renew() -> None:
        while not stop.is_set():
            for mac, address in lent.items():
                assert clients.renew(mac, address).address == address
                renewals[0] += 1
            after_each_round()

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield renewals
    finally:
        stop.set()
        thread.join(timeout=20)


@dataclass
class Server:
    """A DHCP server at one end of a wire, with its lease file."""

    namespace: Any
    config: ClusterConfig
    file: Path
    folder: Path
    interface: str = "eth1"
    seconds: int = LENGTH
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        argv, started = self.prepare()
        log = self.folder / "log"
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                self.namespace.command(*argv),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "KEA_PIDFILE_DIR": str(self.folder), "KEA_LOCKFILE_DIR": str(self.folder)},
            )
        deadline = time.monotonic() + 20
        while started not in log.read_text():
            assert self._process.poll() is None, f"the server ended: {log.read_text()}"
            assert time.monotonic() < deadline, f"the server did not start: {log.read_text()}"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def prepare(self) -> tuple[list[str], str]:
        """Write its configuration; return its command line and what it says once it serves."""
        raise NotImplementedError

    def names(self) -> dict[str, str]:
        """Return the clients' names by MAC, as its file gives them."""
        return {lease.mac: lease.client_name for lease in load_leases(self.file).leases}


class Dnsmasq(Server):
    def prepare(self) -> tuple[list[str], str]:
        pool = self.config.discovery_range
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--port=0"]
        argv += [f"--interface={self.interface}", "--except-interface=lo", "--bind-interfaces", "--no-ping"]
        argv += ["--dhcp-authoritative", f"--dhcp-leasefile={self.file}"]
        return [*argv, f"--dhcp-range={pool.first},{pool.last},{self.seconds}", "--log-facility=-"], "started"


@dataclass
class Dhcpd(Server):
    """``options`` are statements for the whole configuration, ``failover`` declares a peer called ``campus``."""

    options: tuple[str, ...] = ()
    failover: str = ""

    def prepare(self) -> tuple[list[str], str]:
        self.file.touch()
        pool = self.config.discovery_range
        statements = (
            "authoritative",
            "ping-check false",
            "ddns-update-style none",
            f"default-lease-time {self.seconds}",
            f"max-lease-time {self.seconds}",
            "set vendor-class-identifier = option vendor-class-identifier",
            *self.options,
        )
        peer = 'failover peer "campus"; ' if self.failover else ""
        configuration = self.folder / "dhcpd.conf"
        configuration.write_text(
            "".join(f"{statement};\n" for statement in statements)
            + self.failover
            + f"subnet 10.17.0.0 netmask 255.255.0.0 {{ pool {{ {peer}range {pool.first} {pool.last}; }} }}\n"
        )
        argv = ["dhcpd", "-4", "-d", "-cf", str(configuration), "-lf", str(self.file), "--no-pid"]
        return [*argv, "-user", "root", "-group", "root", self.interface], "Server starting service."


@dataclass
class Kea(Server):
    """``options`` are further members of its configuration; its lease file is cleaned up every ``cleanup`` seconds."""

    options: dict[str, Any] = field(default_factory=dict)
    cleanup: int = 0

    def prepare(self) -> tuple[list[str], str]:
        pool = self.config.discovery_range
        settings = {
            "interfaces-config": {"interfaces": [self.interface], "dhcp-socket-type": "raw"},
            "lease-database": {"type": "memfile", "name": str(self.file), "lfc-interval": self.cleanup},
            "valid-lifetime": self.seconds,
            "subnet4": [{"id": 1, "subnet": "10.17.0.0/16", "pools": [{"pool": f"{pool.first}-{pool.last}"}]}],
            "loggers": [{"name": "kea-dhcp4", "output_options": [{"output": "stdout"}], "severity": "INFO"}],
            **self.options,
        }
        configuration = self.folder / "kea.json"
        configuration.write_text(json.dumps({"Dhcp4": settings}))
        return ["kea-dhcp4", "-c", str(configuration)], "DHCP4_STARTED"


KINDS: dict[str, type[Server]] = {"dnsmasq": Dnsmasq, "dhcpd": Dhcpd, "kea": Kea}
MakeServer = Callable[..., Server]

# What the clients do with an address that they were given: no more than it takes to give it back.
CLIENT_SCRIPT = """\
#!/bin/sh
case "${reason:-$1}" in
  BOUND | bound) ip address add "${new_ip_address:-$ip}/16" dev "$interface" ;;
  PREINIT) ip link set "$interface" up ;;
esac
"""


@dataclass
class Machine:
    """The nodes' end of the wire with real DHCP clients. It changes its MAC to be another machine."""

    namespace: Any
    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._script = self.folder / "client.sh"
        self._script.write_text(CLIENT_SCRIPT)
        self._script.chmod(0o755)

    def udhcpc(self, mac: str, *, name: str) -> None:
        """Get a lease with busybox' client."""
        with self._being(mac):
            self._run("udhcpc", "-f", "-n", "-q", "-i", "eth0", "-s", str(self._script), "-x", f"hostname:{name}")

    def dhclient(self, mac: str, *, name: str, release: bool = False) -> None:
        """Get a lease with ISC's client, and give it back if that is asked for."""
        configuration, leases, pid = (self.folder / f"{mac}.{what}" for what in ("conf", "leases", "pid"))
        configuration.write_text(f'send host-name "{name}";\nsend dhcp-client-identifier 01:{mac};\n')
        argv = ["dhclient", "-4", "-cf", str(configuration), "-lf", str(leases), "-pf", str(pid)]
        argv += ["-sf", str(self._script)]
        with self._being(mac):
            running = subprocess.Popen(
                self.namespace.command(*argv, "-d", "eth0"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                wait_for(True, lambda: leases.exists() and "expire" in leases.read_text(), patience=20)
                self._run(*argv, "-r" if release else "-x", "eth0")
            finally:
                running.kill()
                running.wait()

    @contextmanager
    def _being(self, mac: str) -> Iterator[None]:
        for step in (["down"], ["address", mac], ["up"]):
            self.namespace.ip("link", "set", "eth0", *step)
        try:
            yield
        finally:
            self.namespace.ip("address", "flush", "dev", "eth0")

    def _run(self, *argv: str) -> None:
        done = subprocess.run(
            self.namespace.command(*argv), capture_output=True, text=True, timeout=30, check=False, cwd=self.folder
        )
        assert done.returncode == 0, done.stdout + done.stderr
