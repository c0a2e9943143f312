# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces, a real dnsmasq in one of them, and DHCP clients in another.

Namespaces and daemons live as processes that the kernel kills with this one, so nothing is left even after ``kill -9``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import jinja2
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig

ROLE = Path(__file__).resolve().parents[1] / "roles/boot_server"
COLLECTIONS = Path(__file__).resolve().parents[1] / ".cache/collections"
RECONCILE = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile
sys.exit(reconcile.run(lambda: load_config(Path(sys.argv[2])), reload=lambda: os.kill(int(sys.argv[3]), signal.SIGHUP)))
"""
CLONE_NEWNET = 0x40000000
MORTAL = ("setpriv", "--pdeathsig", "KILL")

DISCOVER, OFFER, REQUEST, DECLINE, ACK, RELEASE = 1, 2, 3, 4, 5, 7
OPTION_HOST_NAME, OPTION_ADDRESS, OPTION_TYPE, OPTION_SERVER, OPTION_CLIENT, OPTION_END = 12, 50, 53, 54, 61, 255
OPTION_CLASS, OPTION_ARCHITECTURE = 60, 93
SIGNED = ("52:54:00:5b:*:*",)  # machines that get shim


@dataclass(frozen=True)
class Namespace:
    """A network namespace, held open by the process ``pid``."""

    pid: int

    @property
    def path(self) -> str:
        return f"/proc/{self.pid}/ns/net"

    def command(self, *argv: str) -> list[str]:
        return [*MORTAL, "nsenter", f"--net={self.path}", *argv]

    def ip(self, *arguments: str) -> None:
        subprocess.run(self.command("ip", *arguments), check=True, timeout=10)

    def enter(self) -> None:
        """Have the calling thread be in this namespace."""
        with open(self.path, encoding="ascii") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def udp_socket(self) -> socket.socket:
        """Return a socket of this namespace: one belongs to where its thread was when it was made."""

        def enter_and_make() -> socket.socket:
            self.enter()
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        with ThreadPoolExecutor(1) as thread:
            made = thread.submit(enter_and_make).result()
        made.settimeout(5)
        return made


@dataclass(frozen=True)
class Wire:
    """The master's end, with the interface ``eth1``, and the nodes' end, with ``eth0`` and no address."""

    master: Namespace
    nodes: Namespace


@contextmanager
def new_namespace() -> Iterator[Namespace]:
    own = os.stat("/proc/self/ns/net").st_ino
    holder = subprocess.Popen([*MORTAL, "unshare", "--net", "sleep", "infinity"])
    namespace = Namespace(holder.pid)
    try:
        deadline = time.monotonic() + 10
        while os.stat(namespace.path).st_ino == own:
            assert holder.poll() is None and time.monotonic() < deadline, "no network namespace"
            time.sleep(0.01)
        yield namespace
    finally:
        holder.kill()
        holder.wait()


@contextmanager
def new_wire() -> Iterator[Wire]:
    """A network of two ends that nothing else on this machine can reach."""
    with new_namespace() as master, new_namespace() as nodes:
        master.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", str(nodes.pid))
        master.ip("link", "set", "lo", "up")
        master.ip("address", "add", "10.17.0.1/16", "dev", "eth1")
        master.ip("link", "set", "eth1", "up")
        nodes.ip("link", "set", "eth0", "up")
        yield Wire(master, nodes)


@dataclass(frozen=True)
class Lent:
    """What a DHCP server gave: an address, and the host name that it says the client has."""

    address: str
    host_name: str


@dataclass(frozen=True)
class Offer:
    """What one server offers: an address, 0.0.0.0 if it is a proxy, what to boot from where, and option 60."""

    server: str
    address: str
    boot_server: str
    file: str
    vendor_class: str = ""


class DhcpClient:
    """Machines that ask for addresses. Each request may come from another MAC (RFC 2131)."""

    def __init__(self, namespace: Namespace, interface: str = "eth0") -> None:
        self._socket = namespace.udp_socket()
        self._socket.settimeout(1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        self._socket.bind(("0.0.0.0", 68))  # noqa: S104 - inside a namespace that has no other machines

    def close(self) -> None:
        self._socket.close()

    def boot(self, mac: str, *, name: str = "", client_id: bytes = b"") -> Lent:
        """Get a lease from nothing, as firmware does; ``name`` is what the client calls itself."""
        said = {OPTION_HOST_NAME: name.encode(), OPTION_CLIENT: client_id}
        own = {code: value for code, value in said.items() if value}
        offer, options = self._ask(mac, {OPTION_TYPE: bytes([DISCOVER]), **own}, OFFER)
        wanted = {
            OPTION_TYPE: bytes([REQUEST]),
            OPTION_ADDRESS: IPv4Address(offer).packed,
            OPTION_SERVER: options[OPTION_SERVER],
            **own,
        }
        return self._lent(*self._ask(mac, wanted, ACK))

    def renew(self, mac: str, address: str) -> Lent:
        """Ask for the lease on ``address`` again, as after a reboot."""
        wanted = {OPTION_TYPE: bytes([REQUEST]), OPTION_ADDRESS: IPv4Address(address).packed}
        return self._lent(*self._ask(mac, wanted, ACK))

    def release(self, mac: str, address: str, *, server: str) -> None:
        """Give ``address`` back; the server does not answer."""
        self._send(mac, {OPTION_TYPE: bytes([RELEASE]), OPTION_SERVER: IPv4Address(server).packed}, holding=address)

    def offers(
        self, mac: str, architecture: int | None = None, *, vendor: str = "PXEClient", seconds: float = 1.5
    ) -> list[Offer]:
        """Return what all servers offer within ``seconds``; firmware says its ``architecture`` (RFC 4578) and whether
        it boots by TFTP, ``PXEClient``, or by HTTP, ``HTTPClient``.
        """
        options = {OPTION_TYPE: bytes([DISCOVER]), **self._firmware(architecture, vendor)}
        transaction = self._send(mac, options)
        return list(self._answers(transaction, seconds))

    def ask_boot_server(self, mac: str, architecture: int, *, holding: str, server: str) -> list[Offer]:
        """Ask a proxy on its own port what to boot, as UEFI firmware does after its offer."""
        options = {OPTION_TYPE: bytes([REQUEST]), **self._firmware(architecture)}
        return list(self._answers(self._send(mac, options, holding=holding, to=(server, 4011)), 1.5))

    @staticmethod
    def _firmware(architecture: int | None, vendor: str = "PXEClient") -> dict[int, bytes]:
        if architecture is None:
            return {}
        said = f"{vendor}:Arch:{architecture:05}:UNDI:003000"
        return {OPTION_CLASS: said.encode(), OPTION_ARCHITECTURE: struct.pack("!H", architecture)}

    def _answers(self, transaction: bytes, seconds: float) -> Iterator[Offer]:
        deadline = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < deadline:
                packet = self._socket.recv(4096)
                if packet[4:8] == transaction:
                    found = dict(self._parse_options(packet[240:]))
                    yield Offer(
                        str(IPv4Address(found[OPTION_SERVER])),
                        address=str(IPv4Address(packet[16:20])),
                        boot_server=str(IPv4Address(packet[20:24])),
                        file=packet[108:236].rstrip(b"\0").decode(),
                        vendor_class=found.get(OPTION_CLASS, b"").decode(),
                    )

    def decline(self, mac: str, address: str, *, server: str) -> None:
        """Tell the server that somebody has ``address`` already; it does not answer."""
        wanted = {OPTION_ADDRESS: IPv4Address(address).packed, OPTION_SERVER: IPv4Address(server).packed}
        self._send(mac, {OPTION_TYPE: bytes([DECLINE]), **wanted})

    @staticmethod
    def _lent(address: str, options: dict[int, bytes]) -> Lent:
        return Lent(address, options.get(OPTION_HOST_NAME, b"").decode())

    def _ask(self, mac: str, options: dict[int, bytes], answer: int) -> tuple[str, dict[int, bytes]]:
        """Send one message, again after a second, and return address and options of the answer to it."""
        for _attempt in range(5):
            transaction = self._send(mac, options)
            with contextlib.suppress(TimeoutError):
                while True:
                    packet = self._socket.recv(4096)
                    found = dict(self._parse_options(packet[240:]))
                    if packet[4:8] == transaction:
                        assert found[OPTION_TYPE] == bytes([answer]), f"DHCP message type {found[OPTION_TYPE][0]}"
                        return str(IPv4Address(packet[16:20])), found
        raise TimeoutError(f"no DHCP server answers {mac}")

    def _send(
        self,
        mac: str,
        options: dict[int, bytes],
        *,
        holding: str = "0.0.0.0",  # noqa: S104 - no address yet
        to: tuple[str, int] = ("255.255.255.255", 67),
    ) -> bytes:
        """Send one message and return the transaction that an answer to it would have."""
        transaction = os.urandom(4)
        header = struct.pack(
            "!BBBB4sHH4s12x16s64x128x",
            *(1, 1, 6, 0, transaction, 0, 0x8000),
            IPv4Address(holding).packed,
            bytes.fromhex(mac.replace(":", "")),
        )
        body = b"".join(bytes([code, len(value)]) + value for code, value in options.items())
        self._socket.sendto(header + b"\x63\x82\x53\x63" + body + bytes([OPTION_END]), to)
        return transaction

    @staticmethod
    def _parse_options(data: bytes) -> Iterator[tuple[int, bytes]]:
        while data and data[0] != OPTION_END:
            if data[0] == 0:
                data = data[1:]
                continue
            yield data[0], data[2 : 2 + data[1]]
            data = data[2 + data[1] :]


class Dnsmasq:
    """A running dnsmasq and the files that it works with."""

    def __init__(self, wire: Wire, config: ClusterConfig) -> None:
        self.wire = wire
        self.config = config
        self._log = config.state_dir / "dnsmasq.log"
        arguments = [
            "--keep-in-foreground",
            f"--conf-file={self._write_configuration()}",
            "--user=root",
            "--pid-file=",
            f"--log-facility={self._log}",
            "--no-ping",
            "--no-resolv",
        ]
        self.process = subprocess.Popen(wire.master.command("dnsmasq", *arguments))

    def _write_configuration(self) -> Path:
        """Render the role's template, with this test's folders."""
        config = self.config
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 - no HTML
        environment.filters["split"] = str.split
        text = environment.from_string((ROLE / "templates/etc/dnsmasq.d/perceus.conf.j2").read_text()).render(
            ansible_managed="by this test",
            boot_server_interface=config.interface,
            boot_server_discovery_range=str(config.discovery_range),
            boot_server_node_range=str(config.node_range),
            boot_server_lease_time=config.lease_time,
            boot_server_domain=config.domain,
            boot_server_dhcp_mode=config.dhcp_mode,
            boot_server_secure_boot=SIGNED,
            boot_server_arm64_loader="/srv/ipxe-arm64.efi",
            __boot_server_ip=config.address.ip,
            __boot_server_leases=2 * (len(config.node_range) + len(config.discovery_range)),
        )
        (config.state_dir / "tftp").mkdir(exist_ok=True)
        file = config.state_dir / "dnsmasq.conf"
        text = text.replace("/var/lib/perceus", str(config.state_dir))
        file.write_text(text.replace("/var/lib/misc/dnsmasq.leases", str(config.leases)))
        return file

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 10
        while "started" not in (self._log.read_text() if self._log.exists() else ""):
            assert self.process.poll() is None, f"dnsmasq ended: {self._log.read_text()}"
            assert time.monotonic() < deadline, "dnsmasq did not start"
            time.sleep(0.02)

    def wait_until_read(self) -> None:
        """Wait until it has read its file of hosts for the last time that it was told to."""
        self.look_up("any.name")  # answered after the signal was

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def look_up(self, name: str) -> list[str]:
        """Return the addresses that its DNS gives for ``name`` (RFC 1035), asked from the master's own side."""
        question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
        with self.wire.master.udp_socket() as asking:
            asking.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question, (str(self.config.address.ip), 53))
            answer = asking.recv(4096)
        # Each answer repeats the name as a pointer, then type, class and TTL, length and the address: 16 bytes.
        records = answer[12 + len(question) :]
        return [str(IPv4Address(records[16 * index + 12 : 16 * index + 16])) for index in range(answer[7])]


@contextmanager
def running_dnsmasq(wire: Wire, config: ClusterConfig) -> Iterator[Dnsmasq]:
    """dnsmasq at work on ``config``, which must not end by itself."""
    running = Dnsmasq(wire, config)
    try:
        running.wait_until_ready()
        yield running
        assert running.process.poll() is None, f"dnsmasq ended: {running.process.returncode}"
    finally:
        running.process.terminate()
        running.process.wait(timeout=10)


@dataclass(frozen=True)
class Reconciler:
    """The reconciler on the master's end, in a process of its own at each run, as systemd starts it."""

    wire: Wire
    config: ClusterConfig
    dnsmasq: Dnsmasq

    def run(self, *, status: int = 0) -> list[str]:
        """Run it and return its journal."""
        done = subprocess.run(
            self.argv(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (status, ""), done.stdout
        return done.stdout.splitlines()

    def argv(self) -> list[str]:
        settings = self.config.state_dir.parent / "cluster.json"
        code = ("-c", RECONCILE, str(COLLECTIONS), str(settings), str(self.dnsmasq.process.pid))
        return self.wire.master.command("nice", "-n10", sys.executable, *code)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run it whenever a file changes that the path unit watches, but for what changes while it runs."""
        stop = threading.Event()

        def watch() -> None:
            before = None
            while not stop.wait(0.005):
                if self._marks() != before:
                    self.run()
                    before = self._marks()

        with ThreadPoolExecutor(1) as thread:
            watching = thread.submit(watch)
            try:
                yield
            finally:
                stop.set()
                watching.result()

    def _marks(self) -> list[tuple[int, int] | None]:
        files = (self.config.leases, self.config.boots, self.config.registry)
        return [(file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else None for file in files]
