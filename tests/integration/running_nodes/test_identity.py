# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity service against real sshds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ansible_collections.perceus.cluster.plugins.module_utils._nodes.change import Plan, change_registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node

from tests.integration.lease_files.servers import wait_for

Boot = Callable[[Sequence[str]], list[Any]]


def test_a_node_gets_its_permanent_key_and_root_reaches_it_strictly(cluster: Any, boot: Boot) -> None:
    (node,) = boot(["n101"])
    own = node.host_key
    cluster.report(node)
    done = cluster.run_identity()
    assert done.returncode == 0, done.stdout + done.stderr
    assert node.host_key != own
    assert (node.root / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    for name in ("n101", "n101.cluster.internal", "10.17.5.101"):
        assert cluster.ssh(name, "cat", "/run/perceus/vnfs").stdout == "debian\n"


def test_nothing_is_done_twice(cluster: Any, boot: Boot) -> None:
    (node,) = boot(["n101"])
    cluster.report(node)
    cluster.run_identity()
    cluster.report(node, "livesync")
    logins = node.log.count("Accepted publickey")
    again = cluster.run_identity()
    assert (again.returncode, again.stdout) == (0, "")
    assert node.log.count("Accepted publickey") == logins


def test_the_key_stays_the_same_over_reboots(cluster: Any, boot: Boot) -> None:
    (node,) = boot(["n101"])
    cluster.report(node)
    cluster.run_identity()
    permanent = node.host_key
    cluster.shut_down(node)
    (cluster.config.state_dir / "hostkeys/n101/boot").write_text("the boot before\n")
    node = cluster.boot("n101", cluster.config.store / "debian/current/rootfs.squashfs")
    assert node.host_key != permanent
    cluster.report(node)
    assert cluster.run_identity().returncode == 0
    assert node.host_key == permanent


def test_a_run_that_was_killed_before_it_noted_its_success_is_made_good(cluster: Any, boot: Boot) -> None:
    (node,) = boot(["n101"])
    reported = node.host_key
    cluster.report(node)
    cluster.run_identity()
    (cluster.config.state_dir / "hostkeys/n101/boot").unlink()
    cluster.report(node, hostkey=reported)
    assert cluster.run_identity().returncode == 0
    assert (cluster.config.state_dir / "hostkeys/n101/boot").exists()


def test_a_machine_that_does_not_have_the_reported_key_gets_nothing(cluster: Any, boot: Boot) -> None:
    (node, other) = boot(["n101", "n102"])
    cluster.report(node, hostkey=other.host_key)
    own = node.host_key
    done = cluster.run_identity()
    assert done.returncode == 1
    assert "Cannot give n101 its host key" in done.stdout
    assert node.host_key == own
    assert "Accepted publickey" not in node.log


def test_a_report_from_another_address_counts_for_nothing(cluster: Any, boot: Boot) -> None:
    (node, other) = boot(["n101", "n102"])
    cluster.report(node)
    log = cluster.config.reports
    log.write_text(log.read_text().replace(str(node.node.address), str(other.node.address)))
    assert (cluster.run_identity().stdout, node.log.count("Connection")) == ("", 0)


def test_a_node_that_hangs_holds_up_no_other(cluster: Any, boot: Boot) -> None:
    (node, hanging) = boot(["n101", "n102"])
    cluster.report(node)
    cluster.report(hanging)
    cluster.wire.nodes.ip("address", "delete", f"{hanging.node.address}/16", "dev", "eth0")
    began = time.monotonic()
    done = cluster.run_identity()
    assert time.monotonic() - began < 60
    assert done.returncode == 1
    assert "n101 has its host key" in done.stdout
    assert "Cannot give n102 its host key" in done.stdout
    assert cluster.ssh("n101", "cat", "/run/perceus/vnfs").returncode == 0


def test_nodes_are_changed_while_one_hangs_and_its_key_is_not_noted_of_another(cluster: Any, boot: Boot) -> None:
    (node,) = boot(["n101"])
    cluster.report(node)
    other = replace(node.node, machine_id="f" * 32)
    key = cluster.config.hostkeys / "n101"

    def have(*nodes: Node) -> None:
        change_registry(
            cluster.config,
            lambda registry: Plan(registry, registry.of_nodes(nodes)),
            check=False,
            touches_keys=True,
        )

    os.kill(node.init, signal.SIGSTOP)
    with ThreadPoolExecutor() as pool:
        giving = pool.submit(cluster.run_identity)
        wait_for(True, key.exists)
        began = time.monotonic()
        have()
        have(other)
        assert time.monotonic() - began < 5
        assert not key.exists()
        key.mkdir()
        os.kill(node.init, signal.SIGCONT)
    assert "n101 has its host key" in giving.result().stdout
    assert not (key / "boot").exists()
