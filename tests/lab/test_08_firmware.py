# SPDX-License-Identifier: GPL-3.0-or-later
"""The same nodes as machines with UEFI, without Secure Boot and with it; their disks stay as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("nodes")]


def test_a_uefi_machine_boots_by_ipxe(cluster: Cluster) -> None:
    cluster.boot("n101", firmware="uefi")
    host = cluster.host("n101")
    assert host.file("/sys/firmware/efi").exists
    assert "iPXE" in cluster.console("n101", 10000)
    assert "[none]" in host.file("/sys/kernel/security/lockdown").content_string
    [node] = _node_info(cluster, "n101")
    assert list(node["boots"][-1]["stages"]) == ["firmware", "fetch", "verified", "pivot", "ready"]


def test_a_machine_with_secure_boot_boots_by_what_is_signed(cluster: Cluster) -> None:
    cluster.boot("n102", firmware="secure")
    host = cluster.host("n102")
    assert "Secure boot enabled" in host.check_output("journalctl --dmesg --grep 'Secure boot' --output cat")
    assert "[integrity]" in host.file("/sys/kernel/security/lockdown").content_string
    assert "iPXE" not in cluster.console("n102", 10000)
    assert "perceus.sha256=" in host.file("/proc/cmdline").content_string
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running"


def _node_info(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    said = cluster.module("node_info", name=name)
    return list(json.loads(said[said.index("{") :])["nodes"])
