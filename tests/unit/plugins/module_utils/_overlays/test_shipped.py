# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlays that the role reconciler lays out."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.compose import check_overlay
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.composer import Composer
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.source import list_overlays, load_overlay

Compose = Callable[..., dict[str, str]]


@pytest.fixture
def compose(installed: Path, cluster: ClusterConfig, node: Node) -> Compose:
    """Return the files, by name, of a node with one of the shipped overlays and these variables."""
    shutil.copytree(installed / "roles/reconciler/files/overlays", cluster.overlays)

    def compose(overlay: str, **variables: Any) -> dict[str, str]:
        registry = Registry({}, (replace(node, overlays=(overlay,), variables=variables),))
        return {file.name: file.content.decode() for file in Composer(registry, cluster).compose(registry.nodes[0])}

    return compose


@pytest.mark.usefixtures("compose")
def test_all_of_them_can_be_used(cluster: ClusterConfig) -> None:
    names = list_overlays(cluster.overlays)
    assert names == ["accounts", "hostname", "ipaddr", "modprobe"]
    for name in names:
        check_overlay(load_overlay(cluster.overlays, name))


def test_hostname_names_the_node_and_its_master(compose: Compose) -> None:
    files = compose("hostname")
    assert files["etc/hostname"] == "n101\n"
    assert files["etc/hosts"].splitlines()[2:] == [
        "10.17.5.101\tn101.cluster.internal n101",
        "10.17.5.1\tmaster.cluster.internal master",
    ]


def test_ipaddr_makes_nothing_of_nothing(compose: Compose) -> None:
    assert compose("ipaddr") == {}


def test_ipaddr_makes_static_networks_and_bonds(compose: Compose) -> None:
    files = compose(
        "ipaddr",
        networks=[
            {"mac": "52:54:00:00:01:01", "address": "10.18.0.101/24", "gateway": "10.18.0.1", "dns": ["10.18.0.1"]},
            {
                "name": "bond0",
                "bond": {"mode": "802.3ad", "members": ["52:54:00:00:02:01", "eth3"]},
                "address": "10.19.0.101/24",
                "mtu": 9000,
                "routes": [{"to": "10.20.0.0/16", "via": "10.19.0.1"}],
            },
        ],
    )
    folder = "etc/systemd/network/20-perceus-"
    assert files == {
        f"{folder}52-54-00-00-01-01.network": "[Match]\nPermanentMACAddress=52:54:00:00:01:01\n\n[Network]\n"
        "Address=10.18.0.101/24\nGateway=10.18.0.1\nDNS=10.18.0.1\n",
        f"{folder}bond0.netdev": "[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\n",
        f"{folder}bond0-1.network": "[Match]\nPermanentMACAddress=52:54:00:00:02:01\n\n[Network]\nBond=bond0\n",
        f"{folder}bond0-2.network": "[Match]\nName=eth3\n\n[Network]\nBond=bond0\n",
        f"{folder}bond0.network": "[Match]\nName=bond0\n\n[Link]\nMTUBytes=9000\n\n[Network]\n"
        "Address=10.19.0.101/24\n\n[Route]\nDestination=10.20.0.0/16\nGateway=10.19.0.1\n",
    }


def test_modprobe_loads_sets_and_blocks(compose: Compose) -> None:
    files = compose(
        "modprobe", modules=["ib_ipoib"], module_options={"nvme": "poll_queues=4"}, modules_blocked=["nouveau"]
    )
    assert files == {
        "etc/modules-load.d/perceus.conf": "ib_ipoib\n",
        "etc/modprobe.d/perceus.conf": "options nvme poll_queues=4\nblacklist nouveau\n",
    }
    assert compose("modprobe") == {}


def test_accounts_adds_people_and_leaves_who_is_there(compose: Compose, tmp_path: Path) -> None:
    """Its script, with the node's paths below a folder. The image's last line may have no end."""
    script = compose("accounts")["etc/perceus/init.d/10-accounts"]
    folder = tmp_path / "node"
    (folder / "etc/perceus/accounts").mkdir(parents=True)
    (folder / "run/perceus").mkdir(parents=True)
    (folder / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:of the image:/home/ada:/bin/sh\njoexday:x:9:9::/:/x"
    )
    (folder / "etc/group").write_text("root:x:0:\n")
    people = ("bob:*:1001:1001:B:/home/bob:/bin/sh", "joe.day:*:1002:1002::/home/joe:/bin/sh")
    (folder / "etc/perceus/accounts/passwd").write_text("\n".join(("ada:*:2000:2000::/x:/x", *people, "")))
    for prefix in ("/etc/", "/run/"):
        script = script.replace(f" {prefix}", f" {folder}{prefix}").replace(f'"{prefix}', f'"{folder}{prefix}')
    for _boot in range(2):
        subprocess.run(["sh", "-c", script], check=True)
    assert (folder / "etc/passwd").read_text().splitlines() == [
        "root:x:0:0:root:/root:/bin/sh",
        "ada:x:1000:1000:of the image:/home/ada:/bin/sh",
        "joexday:x:9:9::/:/x",
        *people,
    ]
    assert (folder / "run/perceus/overlay").read_text().splitlines()[0] == "etc/passwd"
