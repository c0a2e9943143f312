# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces: the switch with its bridge, and the master's with ``eth0`` (uplink) and ``eth1`` (private).

Every interface is made inside them. The uplink is slirp4netns: it reaches what the host reaches, with a user's sockets.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.settings import PRIVATE_NETWORK, Lab, Machine

NAMESPACES = Path("/run/netns")
NAMESERVER = "10.0.2.3"  # slirp4netns answers here


def up(lab: Lab) -> None:
    """Make what is missing of both namespaces, the cable between them and the uplink."""
    for namespace in (lab.switch, lab.master):
        if not exists(namespace):
            process.run(["ip", "netns", "add", namespace])
        _ip(namespace, "link", "set", "lo", "up")
    if not _has(lab.switch, "bridge"):
        _ip(lab.switch, "link", "add", "bridge", "type", "bridge", "forward_delay", "0", "stp_state", "0")
    _ip(lab.switch, "link", "set", "bridge", "up")
    if not _has(lab.master, "eth1"):
        _ip(lab.switch, "link", "add", "to-master", "type", "veth", "peer", "name", "eth1", "netns", lab.master)
    _ip(lab.switch, "link", "set", "to-master", "master", "bridge", "up")
    _keep_private_addresses_inside(lab)
    if not lab.part("uplink").populated():
        _start_uplink(lab)


def plug(lab: Lab, machine: Machine) -> str:
    """Return the tap on the bridge that is the machine's cable, and make it when it is missing."""
    if not _has(lab.switch, machine.name):
        _ip(lab.switch, "tuntap", "add", machine.name, "mode", "tap")
    _ip(lab.switch, "link", "set", machine.name, "master", "bridge", "up")
    return machine.name


def exists(namespace: str) -> bool:
    return (NAMESPACES / namespace).exists()


def inside(namespace: str, argv: Sequence[str]) -> list[str]:
    """The argument list that runs ``argv`` in a namespace of the lab."""
    return ["nsenter", f"--net={NAMESPACES / namespace}", "--", *argv]


def members(namespace: str) -> list[int]:
    """The processes in a namespace of the lab, this one and its ancestors excepted."""
    try:
        wanted = (NAMESPACES / namespace).stat().st_ino
    except FileNotFoundError:
        return []
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "ns/net").stat().st_ino == wanted:
                found.append(int(entry.name))
    return sorted(set(found) - _ancestors())


def remove(namespace: str) -> None:
    """Delete a namespace, and the mount that iproute2 keeps for all of them when this was the last."""
    if exists(namespace):
        process.run(["ip", "netns", "delete", namespace])
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        with suppress(LabError, OSError):
            process.run(["umount", str(NAMESPACES)])
            NAMESPACES.rmdir()


def _keep_private_addresses_inside(lab: Lab) -> None:
    """While eth1 has no address, the private network must not be sought through the uplink.

    systemd-networkd removes foreign routes; those of protocol ``kernel`` it leaves alone.
    """
    _ip(lab.master, "route", "replace", "unreachable", PRIVATE_NETWORK, "metric", "4294967295", "protocol", "kernel")


def _start_uplink(lab: Lab) -> None:
    ready, told = os.pipe()
    log = lab.folder / "uplink.log"
    argv = ["slirp4netns", "--configure", "--mtu=1500", "--disable-host-loopback", f"--ready-fd={told}"]
    target = ["--netns-type=path", str(NAMESPACES / lab.master), "eth0"]
    with open(ready, "rb") as signal:
        try:
            process.start([*argv, *target], cgroup=lab.part("uplink"), log=log, pass_fds=(told,))
        finally:
            os.close(told)
        readable, _, _ = select.select([signal], [], [], 10)
        if not readable or signal.read(1) != b"1":
            raise LabError(f"Cannot make the uplink: {log.read_text().strip()[-500:]}")


def _ancestors() -> set[int]:
    found = {os.getpid()}
    pid = os.getppid()
    while pid > 0:
        found.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def _has(namespace: str, interface: str) -> bool:
    links = json.loads(process.run(["ip", "-n", namespace, "-json", "link"]))
    return any(link["ifname"] == interface for link in links)


def _ip(namespace: str, *arguments: str) -> None:
    process.run(["ip", "-n", namespace, *arguments])
