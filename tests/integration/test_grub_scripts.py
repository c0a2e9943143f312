# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's files as GRUB itself takes them: grub-emu, the same program without a machine below it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.render import render_boot_files
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY, Node, Registry

MAC = "52:54:00:00:00:01"
NODE = Node("n101", (MAC,), IPv4Address("10.17.5.101"), "compute", True, "0" * 32, "2030-01-01T00:00:00Z")


class Grub:
    """GRUB in ``folder``, where it finds by its files what it would find by TFTP."""

    def __init__(self, folder: Path, config: ClusterConfig) -> None:
        self.folder = folder
        self.config = config
        self.said = folder / "said"
        self.offer(EMPTY)
        argv = ["script", "--quiet", "--flush", "--command", f"stty cols 200; exec grub-emu -d {folder} -r host"]
        self.process = subprocess.Popen(
            [*argv, str(self.said)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={"TERM": "vt100", "PATH": "/usr/bin:/bin"},
        )

    def offer(self, registry: Registry) -> None:
        """Give it the files of these nodes; it waits less for a test."""
        for name, text in render_boot_files(registry, self.config, {"debian": None}, {}).grub.items():
            text = text.replace(f"(tftp,{self.config.address.ip})/grub", f"(host){self.folder}")
            for original, changed in (("sleep 10", "sleep 1"), ("sleep 5", "sleep 1"), ("$net_default_mac", MAC)):
                text = text.replace(original, changed)
            beside = self.folder / f".{name}"
            beside.write_text(text)
            beside.rename(self.folder / name)

    def wait_for(self, line: str) -> None:
        deadline = time.monotonic() + 20
        while line not in (text := self.said.read_text(errors="replace") if self.said.exists() else ""):
            assert time.monotonic() < deadline, f"no {line!r} in {text}"
            time.sleep(0.1)


@pytest.fixture
def grub(tmp_path: Path, config: ClusterConfig) -> Iterator[Grub]:
    (tmp_path / "grub").mkdir()
    running = Grub(tmp_path / "grub", replace(config, adoption="quarantine"))
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(timeout=10)


def test_a_machine_waits_until_it_is_a_node_and_follows_what_it_is_told_then(grub: Grub) -> None:
    grub.wait_for(f"perceus: {MAC} is not a node and waits for approval")
    grub.offer(Registry({}, (NODE,)))
    grub.wait_for("perceus: n101 does not boot: VNFS debian has no published image")
    grub.offer(Registry({}, (replace(NODE, enabled=False),)))
    grub.wait_for("perceus: n101 does not boot: it is disabled")
    grub.offer(Registry({}, (replace(NODE, boot="shell"),)))
    grub.wait_for("perceus: n101 is to give you a shell of GRUB")
    grub.wait_for("grub>")
