# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines: QEMU without a graphics card, booted from the network: by the NIC's ROM under SeaBIOS, or by OVMF."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from lab import network, process
from lab.errors import LabError
from lab.settings import Lab, Machine

OVMF = Path("/usr/share/OVMF")
CODE = {"uefi": "OVMF_CODE_4M.fd", "secure": "OVMF_CODE_4M.secboot.fd"}
VARIABLES = {"uefi": "OVMF_VARS_4M.fd", "secure": "OVMF_VARS_4M.ms.fd"}  # the latter with Microsoft's keys


def running(lab: Lab, machine: Machine) -> bool:
    return lab.part(machine.name).populated()


def start(lab: Lab, machine: Machine) -> None:
    """Power a machine on; its console log begins anew, its disks are kept and are blank at first."""
    if running(lab, machine):
        return
    if not lab.part("master").populated():
        raise LabError(f"Cannot start {machine.name!r}: the lab is not up")
    for number in range(1, machine.disks + 1):
        with lab.disk(machine, number).open("ab") as image:
            image.truncate(machine.disk << 20)
    lab.console(machine).write_bytes(b"")
    process.start(
        network.inside(lab.switch, _build_qemu_argv(lab, machine, network.plug(lab, machine))),
        cgroup=lab.part(machine.name), log=lab.folder / f"{machine.name}.qemu.log",
    )  # fmt: skip


def start_in_order(lab: Lab) -> None:
    """Power all machines on, each when the one before holds a lease, so that they are adopted in this order."""
    for machine in lab.machines:
        start(lab, machine)
        holds_lease = partial(_holds_lease, lab, machine)
        process.wait_until(holds_lease, timeout=180, reason=f"Cannot boot {machine.name}: it holds no lease")


def stop(lab: Lab, machine: Machine) -> None:
    """Pull the plug."""
    lab.part(machine.name).kill()


def reset(lab: Lab, machine: Machine) -> None:
    stop(lab, machine)
    start(lab, machine)


def _holds_lease(lab: Lab, machine: Machine) -> bool:
    leases = lab.root / "var/lib/misc/dnsmasq.leases"
    return leases.exists() and machine.mac in leases.read_text()


def _build_qemu_argv(lab: Lab, machine: Machine, tap: str) -> list[str]:
    """TCG with one vCPU: KVM guests hang on some hosts that have it, and one vCPU boots faster than two.

    QEMU's ROM for UEFI is an iPXE, which would be no test of the firmware's own boot from the network.
    """
    rom = "" if machine.firmware == "bios" else ",romfile="
    return [
        "qemu-system-x86_64", "-name", machine.name, "-accel", "tcg,thread=multi",
        *build_firmware_argv(machine.firmware, lab.variables(machine)),
        "-cpu", "qemu64", "-smp", "1", "-m", str(machine.memory), "-nodefaults", "-display", "none", "-monitor", "none",
        "-chardev", f"file,id=console,path={lab.console(machine)},append=on", "-serial", "chardev:console",
        "-device", "virtio-rng-pci",
        "-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=net,mac={machine.mac},bootindex=0{rom}",
        *(word for number in range(1, machine.disks + 1) for word in (
            "-drive", f"if=none,id=disk{number},format=raw,cache=unsafe,file={lab.disk(machine, number)}",
            "-device", f"virtio-blk-pci,drive=disk{number},serial={machine.name}-{number},bootindex={number}",
        )),
    ]  # fmt: skip


def build_firmware_argv(firmware: str, variables: Path) -> list[str]:
    """Return what makes QEMU a machine with this firmware, which remembers things in ``variables``.

    ``graphics=off`` has SeaBIOS and iPXE speak on the serial line.
    """
    if firmware == "bios":
        return ["-machine", "pc,graphics=off"]
    if not variables.exists():
        shutil.copyfile(OVMF / VARIABLES[firmware], variables)
    argv = [
        "-machine", "q35,smm=on", "-global", "ICH9-LPC.disable_s3=1",
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF / CODE[firmware]}",
        "-drive", f"if=pflash,unit=1,format=raw,file={variables}",
    ]  # fmt: skip
    if firmware == "secure":
        argv += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    return argv
