# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets on their way from the module to real nodes, by real sshds; and the certificates of those."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.change import Plan, change_registry
from ansible_collections.perceus.cluster.plugins.module_utils._secrets.change import change_secret
from ansible_collections.perceus.cluster.plugins.module_utils._secrets.secret import Secret

Boot = Callable[[Sequence[str]], list[Any]]

KEY = bytes(range(256)) * 4
MUNGE = Secret("/etc/munge/munge.key", KEY, "100", "65534", "0440", "root", ("munge.service",))
KEYTAB = Secret("/etc/krb5.keytab", b"\x05\x02 of all", mode="0600")


def declare(cluster: Any, secret: Secret, scope: str = "all", of: str | None = None) -> None:
    assert change_secret(secret.file, secret, cluster.config, scope=scope, of=of, check=False).changed


def withdraw(cluster: Any, file: str, scope: str = "all", of: str | None = None) -> None:
    assert change_secret(file, None, cluster.config, scope=scope, of=of, check=False).changed


def give(cluster: Any, *lines: str, status: int = 0) -> None:
    """Run the identity service, which is to say this."""
    done = cluster.run_identity()
    assert (done.returncode, sorted(done.stdout.splitlines())) == (status, sorted(lines)), done.stderr


@pytest.fixture
def up(cluster: Any, boot: Boot) -> list[Any]:
    """Two nodes that have reported that they are ready."""
    nodes = boot(["n101", "n102"])
    for node in nodes:
        cluster.report(node)
    return nodes


def restarts(node: Any) -> list[str]:
    log = node.root / "run/systemctl"
    return log.read_text().splitlines() if log.exists() else []


def on_node(node: Any, file: str) -> Path:
    """Where a file of the node really is, by the links that it follows."""
    path = node.root / file.lstrip("/")
    return node.root / os.readlink(path).lstrip("/") if path.is_symlink() else Path(path)


def test_a_node_gets_its_secrets_when_it_has_its_key(cluster: Any, up: list[Any]) -> None:
    declare(cluster, MUNGE)
    declare(cluster, KEYTAB)
    declare(cluster, Secret(KEYTAB.file, b"\x05\x02 of n102"), "node", "n102")
    give(cluster, *(f"{name} has its host key and its secrets" for name in ("n101", "n102")))
    for node, keytab, mode in zip(up, (KEYTAB.content, b"\x05\x02 of n102"), (0o600, 0o400)):
        munge = node.root / "etc/munge/munge.key"
        found = munge.lstat()
        assert (stat.S_ISREG(found.st_mode), found.st_mode & 0o7777, found.st_uid, found.st_gid) == (
            True,
            0o440,
            100,
            65534,
        )
        assert munge.read_bytes() == KEY
        assert restarts(node) == ["restart -- munge.service"]
        assert os.readlink(node.root / "etc/krb5.keytab") == "/run/perceus/secrets/etc/krb5.keytab"
        lies = on_node(node, "/etc/krb5.keytab")
        assert (lies.read_bytes(), lies.stat().st_mode & 0o7777) == (keytab, mode)
        assert " /run/perceus/secrets ramfs " in Path(f"/proc/{node.init}/mounts").read_text()
        assert (node.root / "run/perceus/overlay").read_text().split() == ["etc/krb5.keytab", "etc/munge/munge.key"]
    give(cluster)


def test_only_what_changed_is_given_again_and_what_is_declared_no_more_is_taken_away(
    cluster: Any, up: list[Any]
) -> None:
    declare(cluster, MUNGE)
    declare(cluster, KEYTAB)
    cluster.run_identity()
    declare(cluster, Secret(KEYTAB.file, b"\x05\x02 new"), "node", "n101")
    give(cluster, "n101 has its secrets")
    assert on_node(up[0], KEYTAB.file).read_bytes() == b"\x05\x02 new"
    assert [restarts(node) for node in up] == [["restart -- munge.service"]] * 2
    declare(cluster, Secret(MUNGE.file, b"new", "100", "65534", "0440", "memory", MUNGE.restart))
    give(cluster, "n101 has its secrets", "n102 has its secrets")
    assert [len(restarts(node)) for node in up] == [2, 2]
    assert on_node(up[1], MUNGE.file).read_bytes() == b"new"
    withdraw(cluster, KEYTAB.file)
    withdraw(cluster, MUNGE.file)
    give(cluster, "n101 has its secrets", "n102 has its secrets")
    assert on_node(up[0], KEYTAB.file).read_bytes() == b"\x05\x02 new"
    for name in (KEYTAB.file, MUNGE.file):
        assert not os.path.lexists(up[1].root / name.lstrip("/"))
        assert not (up[1].root / "run/perceus/secrets" / name.lstrip("/")).exists()


def test_a_node_that_cannot_take_one_has_its_key_and_is_tried_again(cluster: Any, up: list[Any]) -> None:
    declare(cluster, Secret("/etc/secret", KEY, "nobody-here"), "node", "n101")
    declare(cluster, MUNGE, "node", "n102")
    (up[1].root / "run/fails").touch()
    refused = (
        "Cannot give n101 its secrets: Cannot finish 'ssh': exit status 1: chown: invalid user: 'nobody-here:root'"
    )
    failed = "Cannot give n102 its secrets: Cannot finish 'ssh': exit status 1: Job for munge.service failed."
    give(cluster, refused, failed, status=1)
    give(cluster, refused, failed, status=1)
    assert cluster.ssh("n101", "cat", "/run/perceus/vnfs").returncode == 0
    declare(cluster, Secret("/etc/secret", KEY), "node", "n101")
    (up[1].root / "run/fails").unlink()
    give(cluster, "n101 has its secrets", "n102 has its secrets")
    assert restarts(up[1])[-1] == "restart -- munge.service"


def test_a_damaged_file_of_secrets_is_said_and_holds_up_no_key(cluster: Any, up: list[Any]) -> None:
    declare(cluster, MUNGE, "node", "n101")
    file = cluster.config.secrets / "node/n101.json"
    file.write_text(file.read_text()[:-20])
    hint = "Set its secrets again"
    give(
        cluster,
        f"Cannot read secrets in {str(file)!r}: it is damaged. {hint}",
        "n101 has its host key",
        "n102 has its host key",
        status=1,
    )
    assert not (up[0].root / "etc/munge").exists()


def test_secrets_are_on_the_master_in_one_place_and_seen_by_root_alone(cluster: Any, up: list[Any]) -> None:
    words = b"correct horse battery staple"
    declare(cluster, Secret("/etc/secret", words))
    cluster.run_identity()
    assert on_node(up[0], "/etc/secret").read_bytes() == words
    holding = [path for path in cluster.folder.rglob("*") if path.is_file() and _holds(path, words)]
    assert holding == [cluster.config.secrets / "all.json"]
    assert [path.stat().st_mode & 0o777 for path in (holding[0], holding[0].parent)] == [0o600, 0o700]


def test_a_secret_goes_and_is_renamed_with_its_node(cluster: Any) -> None:
    cluster.register("n101", "n102")
    for name in ("n101", "n102"):
        declare(cluster, Secret("/etc/secret", name.encode()), "node", name)
    folder = cluster.config.secrets / "node"
    renamed = ("n102", "n103")
    change_registry(
        cluster.config,
        lambda registry: Plan(
            registry, registry.of_nodes([registry.nodes[0], replace(registry.nodes[1], name="n103")]), renamed
        ),
        check=False,
        touches_keys=True,
    )
    assert sorted(path.name for path in folder.iterdir()) == ["n101.json", "n103.json"]
    change_registry(
        cluster.config,
        lambda registry: Plan(registry, registry.of_nodes(registry.nodes[1:])),
        check=False,
        touches_keys=True,
    )
    assert [path.name for path in folder.iterdir()] == ["n103.json"]


def test_whoever_trusts_the_authority_knows_each_node(cluster: Any, up: list[Any], tmp_path: Path) -> None:
    del up
    cluster.run_identity()
    known_hosts = (cluster.config.state_dir / "known_hosts").read_text()
    elsewhere = tmp_path / "known_hosts"
    elsewhere.write_text(known_hosts.splitlines(keepends=True)[0])

    def reach(address: str, name: str) -> int:
        options = [
            f"UserKnownHostsFile={elsewhere}",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            f"HostKeyAlias={name}",
        ]
        login = [word for option in options for word in ("-o", option)]
        key = ["-i", "/etc/perceus/ssh/id_ed25519"]
        return int(cluster.run("ssh", "-F", "none", *key, *login, f"root@{address}", "cat", "/dev/null").returncode)

    assert reach("10.17.5.101", "n101") == 0
    assert reach("10.17.5.101", "n101.cluster.internal") == 0
    assert reach("10.17.5.102", "n101") == 255


def _holds(path: Path, words: bytes) -> bool:
    content = path.read_bytes()
    return words in content or base64.b64encode(words) in content
