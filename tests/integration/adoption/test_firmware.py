# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose firmware boots from the network: iPXE in QEMU, from power on to its own boot script."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MAC = "52:54:00:00:00:01"
UUID = "4c4c4544-0042-3510-8052-b4c04f564231"
PATIENCE = 90  # seconds; nothing here speeds the machine's processor up

PowerOn = Callable[[], Any]


@pytest.fixture
def console(tmp_path: Path) -> Path:
    return tmp_path / "console"


@pytest.fixture
def machine(wire: Any, console: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A machine without a disk on the nodes' end of the wire, switched on."""
    nodes = wire.nodes
    nodes.ip("link", "add", "bridge", "type", "bridge", "forward_delay", "0")
    nodes.ip("tuntap", "add", "tap", "mode", "tap")
    for name in ("eth0", "tap"):
        nodes.ip("link", "set", name, "master", "bridge", "up")
    nodes.ip("link", "set", "bridge", "up")
    running = subprocess.Popen(
        nodes.command(
            *("qemu-system-x86_64", "-machine", "pc,graphics=off", "-accel", "tcg", "-m", "256", "-nodefaults"),
            *("-display", "none", "-monitor", "none", "-serial", f"file:{console}"),
            *("-smbios", f"type=1,manufacturer=Acme,, Inc.,product=Twin 1U,serial=SN-1001,uuid={UUID}"),
            *("-netdev", "tap,id=net,ifname=tap,script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=net,mac={MAC},bootindex=0"),
        )
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait(timeout=10)


def wait_for_line(console: Path, line: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while line not in (text := console.read_text(errors="replace") if console.exists() else ""):
        assert time.monotonic() < deadline, f"no {line!r} in {text}"
        time.sleep(0.2)


@pytest.mark.usefixtures("nginx", "machine")
def test_a_machine_says_what_it_is_and_boots_as_soon_as_it_is_a_node(master: Any, console: Path) -> None:
    master.change(adoption="quarantine")
    with master.watching():
        wait_for_line(console, f"{MAC} is not a node and waits for approval")
    [evidence] = master.record().machines
    assert (evidence.mac, evidence.status) == (MAC, "quarantine")
    assert (evidence.hardware.manufacturer, evidence.hardware.product) == ("Acme, Inc.", "Twin 1U")
    assert (evidence.hardware.serial, evidence.hardware.uuid) == ("SN-1001", UUID)
    assert evidence.address in master.dnsmasq.leased()
    approve(master, evidence.mac)
    wait_for_line(console, "n120 does not boot: VNFS debian has no published image")
    assert (master.record().by_mac[MAC].status, master.record().by_mac[MAC].why) == ("node", "operator")
