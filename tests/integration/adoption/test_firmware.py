# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose firmware boots from the network, in QEMU: from power on to its own boot script."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.discoveries import Hardware
from lab.node import build_firmware_argv

MAC, SIGNED_MAC = "52:54:00:00:00:01", "52:54:00:5b:00:01"
UUID = "4c4c4544-0042-3510-8052-b4c04f564231"
PATIENCE = 180  # seconds; nothing here speeds the machine's processor up


@pytest.fixture
def console(tmp_path: Path) -> Path:
    return tmp_path / "console"


@pytest.fixture
def power_on(wire: Any, bridge: Any, console: Path, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Switch on a machine without a disk at the nodes' end of the wire."""
    wire.nodes.ip("tuntap", "add", "tap", "mode", "tap")
    bridge.plug("tap")
    running = []

    def power_on(mac: str = MAC, firmware: str = "bios") -> None:
        rom = "" if firmware == "bios" else ",romfile="
        argv = wire.nodes.command(
            *("qemu-system-x86_64", *build_firmware_argv(firmware, tmp_path / "variables"), "-accel", "tcg"),
            *("-m", "256", "-nodefaults", "-device", "virtio-rng-pci"),
            *("-display", "none", "-monitor", "none", "-serial", f"file:{console}"),
            *("-smbios", f"type=1,manufacturer=Acme,, Inc.,product=Twin 1U,serial=SN-1001,uuid={UUID}"),
            *("-netdev", "tap,id=net,ifname=tap,script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=net,mac={mac},bootindex=0{rom}"),
        )
        running.append(subprocess.Popen(argv))

    yield power_on
    for machine in running:
        machine.kill()
        machine.wait(timeout=10)


def wait_for_line(console: Path, line: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while line not in (text := console.read_text(errors="replace") if console.exists() else ""):
        assert time.monotonic() < deadline, f"no {line!r} in {text}"
        time.sleep(0.2)


@pytest.mark.usefixtures("nginx")
def test_a_machine_says_what_it_is_and_boots_when_it_was_made_a_node(
    master: Any, power_on: Callable[[], None], console: Path
) -> None:
    master.change(adoption="quarantine")
    with master.watching():
        power_on()
        wait_for_line(console, f"{MAC} is not a node and waits for approval")
        board = Hardware("Acme, Inc.", "Twin 1U", "SN-1001", UUID)
        master.wait_for([board], lambda: [machine.hardware for machine in master.record().machines])
        [evidence] = master.record().machines
        assert (evidence.mac, evidence.status) == (MAC, "quarantine")
        assert IPv4Address(evidence.address) in master.config.discovery_range
        master.register("n120", MAC)
        wait_for_line(console, "n120 does not boot: VNFS debian has no published image")
    [approved] = master.record().machines
    assert (approved.status, approved.why, approved.address) == ("node", "operator", evidence.address)


LOADERS = {
    "ipxe.efi": "/usr/lib/ipxe/ipxe.efi",
    "shimx64.efi": "/usr/lib/shim/shimx64.efi.signed",
    "grubx64.efi": "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
}


@pytest.mark.usefixtures("nginx")
@pytest.mark.parametrize(
    ("mac", "firmware", "loaders"),
    [
        (MAC, "uefi", {"iPXE"}),
        (SIGNED_MAC, "secure", {"GRUB"}),
        (SIGNED_MAC, "uefi", {"GRUB"}),
    ],
)
def test_uefi_boots_by_ipxe_and_by_what_is_signed_where_it_must(
    master: Any, power_on: Callable[..., None], console: Path, mac: str, firmware: str, loaders: set[str]
) -> None:
    master.change(adoption="quarantine")
    for name, source in LOADERS.items():
        (master.config.tftp / name).symlink_to(source)
    with master.watching():
        power_on(mac, firmware)
        wait_for_line(console, f"{mac} is not a node and waits for approval")
        master.register("n120", mac)
        wait_for_line(console, "n120 does not boot: VNFS debian has no published image")
    said = console.read_text(errors="replace")
    assert {loader for loader in ("iPXE", "GRUB") if loader in said} == loaders


class TestBesideAnotherServer:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"dhcp_mode": "proxy", "leases": str(tmp_path / "none")}

    @pytest.mark.usefixtures("nginx", "site_server")
    def test_a_machine_is_adopted_when_it_asks_for_its_script(
        self, master: Any, power_on: Callable[[], None], console: Path
    ) -> None:
        with master.watching():
            power_on()
            wait_for_line(console, "n101 does not boot: VNFS debian has no published image")
        assert master.names() == {MAC: "n101"}
        [evidence] = master.record().machines
        assert (evidence.status, evidence.why) == ("node", "adopt")
        assert evidence.address.startswith("10.17.90.")
        assert evidence.hardware.serial == "SN-1001"
