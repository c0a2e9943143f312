# SPDX-License-Identifier: GPL-3.0-or-later
"""One roles file for master, VNFS and running node: the same result on each, and nothing to do the second time."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")

HOSTS = ("master", "debian.vnfs", "n101")


@pytest.fixture(scope="module")
def customised(cluster: Cluster) -> list[str]:
    """What ansible-playbook said, the first time and the second, on another machine than the master."""
    hosts = ("-e", f"site_hosts={','.join(HOSTS)}")
    playbook = str(cluster.root / "tests/site/site.yml")
    return [cluster.ansible("ansible-playbook", playbook, *hosts) for _run in range(2)]


def test_a_second_run_changes_nothing_anywhere(customised: list[str]) -> None:
    recaps = [line for line in customised[1].splitlines() if line.startswith(HOSTS) and "changed=" in line]
    assert len(recaps) == len(HOSTS)
    assert all("changed=0 " in recap for recap in recaps), recaps


@pytest.mark.usefixtures("customised")
def test_the_result_is_the_same_everywhere(cluster: Cluster) -> None:
    proof = (cluster.root / "tests/site/proof.sh").read_text()
    proofs = {
        "master": cluster.run("master", proof),
        "debian.vnfs": cluster.run("master", shlex.join(["vnfs-shell", "debian", "sh", "-c", proof])),
        "n101": cluster.run("n101", proof),
    }
    assert len(proofs["master"].splitlines()) > 10
    assert set(proofs.values()) == {proofs["master"]}, proofs


@pytest.mark.usefixtures("customised")
def test_a_service_runs_on_what_runs(cluster: Cluster) -> None:
    for host in ("master", "n101"):
        assert cluster.run(host, "systemctl", "is-active", "site-agent").strip() == "active"
    assert not cluster.on_master("/var/lib/perceus/vnfs/debian/rootfs/srv/site/started").exists()


def test_the_live_inventory_has_the_vnfs(cluster: Cluster) -> None:
    inventory = cluster.inventory()
    assert inventory["vnfs_capsules"]["hosts"] == ["debian.vnfs"]
    assert inventory["_meta"]["hostvars"]["debian.vnfs"]["perceus_vnfs"] == "debian"
