# SPDX-License-Identifier: GPL-3.0-or-later
"""Root mode disk by the first stage as it is: which disks it writes to, and what is on them then.

Its disk is an image file behind a loop device, and no other disk of this machine is in its reach. GRUB, RAID and what
boots from the disk are the lab's business.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._master import installations
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry
from ansible_collections.perceus.cluster.plugins.module_utils._reports import Report

from .conftest import GENERATION

MIB = 1 << 20
TOKEN, OTHER = "a" * 32, "b" * 32
MACHINE_ID = "0" * 32

# Arguments: the first stage, the disk's file, a file for the device's name, where a copy of the root goes. The device
# goes with the last of these processes, however that ends.
STAGE = """set -u
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 run /run
mount -t tmpfs -o mode=0755 dev /dev
mknod /dev/null c 1 3
mknod /dev/zero c 1 5
mknod /dev/random c 1 8
mknod /dev/urandom c 1 9
mknod /dev/loop-control c 10 237
for number in $(seq 0 63); do mknod "/dev/loop$number" b 7 "$number"; done
device=$(losetup --find --show --partscan "$2") || exit
exec 9< "$device"
losetup --detach "$device"
echo "$device" > "$3"
export NEWROOT=/run/newroot
mkdir "$NEWROOT"
udevadm settle
sh "$1"
for part in "$device"p*; do
    [ "$(blkid --probe --match-tag LABEL --output value "$part")" != perceus-root ] \\
        || { mount -o ro "$part" "$NEWROOT" && cp -a "$NEWROOT/." "$4/"; }
done
"""
# What is a disk to the first stage, and what its programs leave to udev and to the firmware
LSBLK = """case $* in
    *--nodeps*) echo "loop$(cut -c 10- DEVICE) $(blockdev --getsize64 "$(cat DEVICE)") 0 0 disk QM00001" ;;
    *) exec /usr/bin/lsblk "$@" ;;
esac
"""
# This machine's kernel may know no GPT.
UDEVADM = """device=$(cat DEVICE)
partx --update "$device"
for part in /sys/block/"${device#/dev/}"/*/dev; do
    [ -e "$part" ] || continue
    name=${part%/dev}
    rm -f "/dev/${name##*/}"
    mknod "/dev/${name##*/}" b $(tr : ' ' < "$part")
done
"""
RESTART = "kill -KILL $PPID"


@dataclass(frozen=True)
class Machine:
    """A node with a disk, whose image is one to be installed."""

    stage: Any
    disk: Path

    def boot(self, *, until: str | None = None, **broken: str) -> Path | None:
        """Boot until the node restarts, or has reported a stage; return a copy of its disk's root, if there is one.

        ``broken`` are scripts in the place of programs.
        """
        self.stage.reconcile()
        device, root = self.disk.with_name("device"), self.disk.with_name("installed")
        subprocess.run(["rm", "-rf", str(root)], check=True)
        root.mkdir()
        stubs = {name: text.replace("DEVICE", str(device)) for name, text in (("lsblk", LSBLK), ("udevadm", UDEVADM))}
        argv = self.stage.command(
            STAGE,
            str(self.disk),
            str(device),
            str(root),
            systemctl=RESTART,
            mdadm="exit 1",
            sleep="exec /bin/sleep 0.1",
            **stubs,
            **broken,
        )
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as running:
            try:
                if until:
                    self.stage.await_stage(until)
                    return None
                running.wait(timeout=30)
            finally:
                running.kill()
        return root

    def heed(self) -> Node:
        """Have the master heed what was reported; return the node as it is then."""
        assert installations.run(lambda: self.stage.config, say=lambda _line: None) == 0
        return load_registry(self.stage.config.registry).by_name["n101"]

    def order(self, token: str) -> None:
        self.stage.change(reinstall=token)

    def told(self) -> list[tuple[str, str]]:
        """What was reported since the last call."""
        reports: list[Report] = self.stage.reports()
        self.stage.config.reports.write_text("")
        return [(report.stage, report.detail) for report in reports]


@pytest.fixture
def machine(stage: Any) -> Iterator[Machine]:
    """A machine with a blank disk of 320 MiB."""
    disk = stage.folder / "disk"
    with disk.open("wb") as image:
        image.truncate(320 * MIB)
    choose(stage, "serial=QM00001,size=0-1")
    yield Machine(stage, disk)


def choose(stage: Any, selector: str, **layout: Any) -> None:
    stage.change_image(root_mode="disk", options={"disk": {"disks": [selector], **layout}})


INSTALLED = [("fetch", ""), ("verified", ""), ("install", ""), ("installed", "")]


def test_a_blank_disk_is_installed_and_booted_from_then_on(machine: Machine) -> None:
    choose(machine.stage, "any", swap=16, root=64, data="/srv/scratch")
    root = machine.boot()
    assert root is not None
    assert machine.told() == INSTALLED
    kept = root / "var/lib/perceus/installation"
    assert (kept / "complete").read_text() == f"{GENERATION}\n"
    assert (kept / "machine_id").read_text() == f"{MACHINE_ID}\n"
    assert {"etc/fstab", "boot/grub", "srv/scratch"} <= set((kept / "kept").read_text().split())
    assert oct((root / "root").stat().st_mode & 0o7777) == "0o700"
    assert (root / "srv/scratch").is_dir()
    places = [line.split()[1:3] for line in (root / "etc/fstab").read_text().splitlines()]
    assert places == [["/", "ext4"], ["none", "swap"], ["/srv/scratch", "ext4"]]


def test_what_is_installed_is_booted_and_left_alone(machine: Machine) -> None:
    root = machine.boot()
    assert root is not None
    uuid = (root / "etc/fstab").read_text().split()[0]
    boot = (root / "boot/grub/grub.cfg").read_text()
    assert f"root={uuid} perceus.root=local perceus.generation=$generation 'perceus.node=n101'" in boot
    assert f"'systemd.machine_id={MACHINE_ID}'" in boot
    for gone in ("perceus.image", "perceus.sha256", "perceus.disk", "perceus.layout", "ip=10"):
        assert gone not in boot
    assert machine.heed().installed == GENERATION
    machine.stage.reconcile()
    assert machine.stage.script.index("sanboot") < machine.stage.script.index("perceus.root=disk")
    machine.told()
    before = machine.disk.read_bytes()
    machine.boot()
    assert machine.told() == [("installed", "")]
    assert machine.disk.read_bytes() == before


def test_a_disk_that_bears_data_is_refused_until_the_operator_orders_it(machine: Machine) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", str(machine.disk)], check=True)
    before = machine.disk.read_bytes()
    machine.boot(until="refused")
    [(stage, why)] = set(machine.told())
    assert stage == "refused"
    assert "bears data: ext4; it is overwritten at your word only: nodes_reinstall" in why
    assert machine.disk.read_bytes() == before
    machine.order(TOKEN)
    root = machine.boot()
    assert root is not None
    assert (root / "etc/motd").read_text() == "of the image\n"
    assert machine.told() == [*INSTALLED[:-1], ("installed", TOKEN)]


def test_an_order_is_good_for_one_installation_even_if_it_comes_back(machine: Machine) -> None:
    machine.order(TOKEN)
    machine.boot()
    assert machine.heed().reinstall == ""
    machine.order(OTHER)
    machine.boot()
    assert machine.heed().reinstall == ""
    machine.told()
    machine.order(TOKEN)
    machine.boot()
    assert machine.told() == [("installed", TOKEN)]
    assert f"installed by the token {TOKEN} already" in machine.stage.console


def test_another_nodes_installation_is_data(machine: Machine) -> None:
    machine.boot()
    machine.told()
    machine.stage.change(machine_id="1" * 32)
    machine.boot(until="refused")
    assert "bears data: PMBR gpt" in machine.told()[0][1]


def test_an_installation_that_was_cut_short_is_begun_anew(machine: Machine) -> None:
    copying = 'case $* in *newroot*) exit 1 ;; *) exec /usr/bin/cp "$@" ;; esac'
    machine.boot(until="retry", cp=copying)
    assert machine.told()[-2][0] == "install"
    machine.boot()
    assert machine.told() == INSTALLED


def test_a_disk_that_is_not_the_one_that_is_meant_is_refused(machine: Machine) -> None:
    for selector in ("serial=QM00002", "size=1-2", "/dev/disk/by-id/gone"):
        choose(machine.stage, selector)
        machine.boot(until="refused")
        [(stage, why)] = set(machine.told())
        assert stage == "refused"
        assert f"no disk is meant by {selector}; there are: loop" in why
        assert "(320 MiB, serial QM00001)" in why
    assert not any(machine.disk.read_bytes())


def test_a_disk_that_is_too_small_is_refused_before_anything_is_fetched(machine: Machine) -> None:
    choose(machine.stage, "any", root=1024)
    machine.boot(until="refused")
    [(stage, why)] = set(machine.told())
    assert stage == "refused"
    assert "Can't fit requested partitions" in why
    assert not any(machine.disk.read_bytes())
