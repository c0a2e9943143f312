# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import Image
from ansible_collections.perceus.cluster.plugins.module_utils._boot.render import render_boot_files
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Registry

from .test_render import GENERATION, IMAGE, KERNEL_ARGS, NODE

MAC = NODE.macs[1]

Render = Callable[..., dict[str, str]]


@pytest.fixture
def render(config: ClusterConfig) -> Render:
    def render(image: Image | PerceusError | None = IMAGE, **node: Any) -> dict[str, str]:
        return render_boot_files(Registry({}, (replace(NODE, **node),)), config, {"debian": image}, {}).grub

    return render


@pytest.mark.parametrize("boot", ["image", "local", "memtest", "shell", "disk"])
@pytest.mark.parametrize("console", ["ttyS1,115200n8", "tty0"])
def test_grub_understands_every_file(render: Render, boot: str, console: str) -> None:
    files = render(boot=boot, console=console, kernel_args="a=[1,2] b=(x)~%")
    assert sorted(files) == ["52:54:00:00:00:01.cfg", "52:54:00:00:00:02.cfg", "grub.cfg"]
    for text in files.values():
        subprocess.run(["grub-script-check"], input=text, text=True, check=True, timeout=10)


def test_the_kernel_gets_the_same_arguments_as_by_ipxe_and_comes_by_tftp(render: Render) -> None:
    lines = render()[f"{MAC}.cfg"].splitlines()
    quoted = " ".join(f"'{argument}'" for argument in KERNEL_ARGS.split())
    kernels = f"(tftp,10.17.5.1)/kernels/debian-{GENERATION}"
    assert f"if linux {kernels}-vmlinuz {quoted}; then" in lines
    assert f"  if initrd {kernels}-initramfs.img; then boot; fi" in lines


@pytest.mark.parametrize(
    ("console", "line"),
    [
        ("ttyS1,115200n8", "if serial --unit=1 --speed=115200; then terminal_output serial; fi"),
        ("ttyS0", "if serial --unit=0 --speed=9600; then terminal_output serial; fi"),
        ("tty0", None),
        ("hvc0", None),
    ],
)
def test_grub_speaks_where_the_kernel_will(render: Render, console: str, line: str | None) -> None:
    found = [said for said in render(console=console)[f"{MAC}.cfg"].splitlines() if "serial" in said]
    assert found == ([line] if line else [])


@pytest.mark.parametrize(
    ("image", "node", "why"),
    [
        (IMAGE, {"enabled": False}, "it is disabled"),
        (None, {}, "VNFS debian has no published image"),
        (PerceusError("Cannot: '; reboot"), {}, "the image of VNFS debian is broken, see the journal of the master"),
        (IMAGE, {"boot": "memtest"}, "it is given what is signed only, and memtest is not"),
    ],
)
def test_a_node_that_cannot_boot_says_why_and_asks_again(
    render: Render, image: Image | PerceusError | None, node: dict[str, Any], why: str
) -> None:
    assert render(image, **node)[f"{MAC}.cfg"] == f"node=n101\necho 'perceus: n101 does not boot: {why}'\nsleep 10\n"


def test_a_node_boots_the_disk_by_what_is_on_it_or_leaves_it_to_the_firmware(render: Render) -> None:
    lines = render(boot="local")[f"{MAC}.cfg"].splitlines()
    assert "if search --no-floppy --file --set=disk /EFI/BOOT/BOOTX64.EFI; then" in lines
    assert lines[-1] == "exit"


def test_only_the_shell_leaves_the_loop_of_the_file_for_all(render: Render) -> None:
    assert "leave=y" in render(boot="shell")[f"{MAC}.cfg"].splitlines()
    assert 'while [ -z "$leave" ]; do' in render()["grub.cfg"].splitlines()


def test_a_machine_that_nobody_knows_asks_again_and_starts_anew_before_its_address_is_lent_to_another(
    config: ClusterConfig,
) -> None:
    for adoption, what, tries, seconds in (
        ("adopt", "$net_default_mac is not a node yet", 90, 1),
        ("quarantine", "nodes_add -e mac=$net_default_mac", 18, 5),
        ("off", "the master adopts none", 18, 5),
    ):
        text = render_boot_files(Registry({}, ()), replace(config, adoption=adoption), {}, {}).grub["grub.cfg"]
        assert what in text
        assert f'if [ "$tries" = {"x" * tries} ]; then reboot; fi' in text
        assert f"    sleep {seconds}\n" in text
