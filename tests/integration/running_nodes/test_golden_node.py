# SPDX-License-Identifier: GPL-3.0-or-later
"""A VNFS from a running node, over a real sshd: what of it is copied, and to whom the master does not talk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.running_nodes import Cluster, RunningNode

COPY = """
import sys
from pathlib import Path
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.node import Node
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.order import Order
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs
target, host, host_key = Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None
order = Order(Vnfs(target.parent), (), None, CommandRunner(), Phases())
try:
    Node(host, host_key, exclude=("/srv/**/cache",)).make_tree(target, order)
except PerceusError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def node(boot: Callable[[Sequence[str]], list[RunningNode]]) -> RunningNode:
    (node,) = boot(["n101"])
    return node


def copy(cluster: Cluster, target: Path, host: str, host_key: str = "") -> subprocess.CompletedProcess[str]:
    collections = f"PYTHONPATH={os.environ['ANSIBLE_COLLECTIONS_PATH']}"
    return cluster.run("env", collections, sys.executable, "-c", COPY, str(target), host, host_key)


def test_a_golden_node_is_copied_with_all_but_what_is_its_own(
    cluster: Cluster, node: RunningNode, tmp_path: Path
) -> None:
    cluster.report(node)
    assert cluster.run_identity().returncode == 0
    (node.root / "srv/deep/cache").mkdir(parents=True)
    (node.root / "srv/deep/cache/blob").touch()
    (node.root / "srv/setuid").touch()
    os.chown(node.root / "srv/setuid", 12345, 54321)
    (node.root / "srv/setuid").chmod(0o4755)
    os.link(node.root / "srv/setuid", node.root / "srv/twin")
    os.setxattr(node.root / "srv/setuid", "user.note", b"\0\xff")
    (node.root / "tmp/left").touch()
    target = tmp_path / "copy" / "rootfs"
    target.parent.mkdir()
    copied = copy(cluster, target, "n101")
    assert copied.returncode == 0, copied.stderr
    status = (target / "srv/setuid").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (12345, 54321, 0o4755)
    assert (target / "srv/twin").stat().st_ino == status.st_ino
    assert os.getxattr(target / "srv/setuid", "user.note") == b"\0\xff"
    assert sorted(path.name for path in (target / "srv/deep").iterdir()) == []
    for folder in ("dev", "proc", "run", "tmp"):
        assert list((target / folder).iterdir()) == []
    assert [path.name for path in target.parent.iterdir()] == ["rootfs"]


def test_another_machine_is_known_by_the_key_that_is_given(cluster: Cluster, node: RunningNode, tmp_path: Path) -> None:
    address, key = str(node.node.address), f"ssh-ed25519 {node.host_key}"
    assert copy(cluster, tmp_path / "good", address, key).returncode == 0
    assert (tmp_path / "good/usr/lib/os-release").exists()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    wrong = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    refused = copy(cluster, tmp_path / "bad", address, wrong)
    assert f"Cannot copy {address!r}: Host key verification failed" in refused.stderr
    assert not (tmp_path / "bad/usr").exists()


@pytest.mark.usefixtures("node")
def test_a_node_that_is_not_known_is_not_copied(cluster: Cluster, tmp_path: Path) -> None:
    """n101 runs, but nobody has checked yet that it is n101."""
    assert "Cannot copy 'n101': Host key verification failed" in copy(cluster, tmp_path / "copy", "n101").stderr
    assert "Cannot copy 'n102': there is no such node" in copy(cluster, tmp_path / "copy", "n102").stderr
    assert not (tmp_path / "copy/usr").exists()
