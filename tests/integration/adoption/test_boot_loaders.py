# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of firmware is given to boot: by DHCP's answer, by TFTP and by HTTP."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

MAC, SIGNED_MAC = "52:54:00:00:00:01", "52:54:00:5b:00:01"
BIOS, UEFI, UEFI_X86_64, UEFI_ARM64, UEFI_HTTP, UEFI_ARM64_HTTP = 0, 7, 9, 11, 16, 19
MASTER = "10.17.0.1"
LOADERS = f"http://{MASTER}/loaders"


@pytest.mark.usefixtures("dnsmasq")
@pytest.mark.parametrize(
    ("mac", "architecture", "file"),
    [
        (MAC, BIOS, "undionly.kpxe"),
        (MAC, UEFI, "ipxe.efi"),
        (MAC, UEFI_X86_64, "ipxe.efi"),
        (MAC, UEFI_ARM64, "ipxe-arm64.efi"),
        (SIGNED_MAC, BIOS, "undionly.kpxe"),
        (SIGNED_MAC, UEFI, "shimx64.efi"),
        (SIGNED_MAC, UEFI_X86_64, "shimx64.efi"),
    ],
)
def test_firmware_is_given_the_loader_for_its_architecture(
    clients: Any, mac: str, architecture: int, file: str
) -> None:
    [offer] = clients.offers(mac, architecture)
    assert (offer.boot_server, offer.file) == (MASTER, file)


@pytest.mark.usefixtures("dnsmasq")
@pytest.mark.parametrize(
    ("architecture", "url"), [(UEFI_HTTP, f"{LOADERS}/ipxe.efi"), (UEFI_ARM64_HTTP, f"{LOADERS}/ipxe-arm64.efi")]
)
def test_firmware_that_boots_by_http_is_given_an_address_and_told_so(clients: Any, architecture: int, url: str) -> None:
    [offer] = clients.offers(MAC, architecture, vendor="HTTPClient")
    assert (offer.file, offer.vendor_class) == (url, "HTTPClient")


@pytest.mark.usefixtures("dnsmasq")
def test_a_machine_that_gets_shim_is_not_told_to_boot_by_http(clients: Any) -> None:
    [offer] = clients.offers(SIGNED_MAC, UEFI_HTTP, vendor="HTTPClient")
    assert (offer.file, offer.vendor_class) == ("", "")


def test_loaders_come_by_http_and_nothing_else_of_their_folder_does(wire: Any, master: Any, nginx: Path) -> None:
    folder = master.config.tftp
    (folder / "grub").mkdir(parents=True, exist_ok=True)
    for name in ("ipxe.efi", "memtest.efi", "shimx64.efi", "grub/grub.cfg"):
        (folder / name).write_text(name)
    assert [fetch(wire, f"{LOADERS}/{name}") for name in ("ipxe.efi", "memtest.efi")] == ["ipxe.efi", "memtest.efi"]
    for name in ("shimx64.efi", "grub/grub.cfg", "../boot/start.ipxe", "memtest.bin"):
        assert "404" in fetch(wire, f"{LOADERS}/{name}"), nginx.read_text()


def test_a_whole_rack_is_answered_at_once(wire: Any, master: Any) -> None:
    (master.config.tftp / "ipxe.efi").write_bytes(b"x" * 100_000)
    wire.nodes.ip("address", "replace", "10.17.90.1/16", "dev", "eth0")
    machines = [wire.nodes.udp_socket() for _ in range(120)]
    for machine in machines:
        machine.sendto(b"\0\1ipxe.efi\0octet\0", (MASTER, 69))
    for machine in machines:
        assert machine.recv(1024)[:4] == b"\0\3\0\1"
        machine.close()


def test_grub_finds_its_files_by_tftp(wire: Any, master: Any) -> None:
    (master.config.tftp / "grubx64.efi").touch()
    master.register("n120", MAC)
    master.run()
    assert "net_default_mac" in fetch(wire, f"tftp://{MASTER}/grub/grub.cfg")
    assert "n120 does not boot" in fetch(wire, f"tftp://{MASTER}/grub/{MAC}.cfg")


def fetch(wire: Any, url: str) -> str:
    """Fetch it as a machine on the wire would."""
    wire.nodes.ip("address", "replace", "10.17.90.1/16", "dev", "eth0")
    command = wire.nodes.command("curl", "--silent", "--path-as-is", "--max-time", "5", url)
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
