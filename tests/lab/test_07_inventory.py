# SPDX-License-Identifier: GPL-3.0-or-later
"""The live inventory served over https by the master that site.yml made."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from lab import network

from tests.lab.conftest import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")

MASTER = "10.17.5.1"
KEY, CERTIFICATE = "/etc/ssl/private/inventory.key", "/etc/ssl/certs/inventory.pem"
SELF_SIGNED = [
    *("openssl", "req", "-x509", "-newkey", "ed25519", "-noenc", "-days", "1", "-subj", "/CN=master"),
    *("-addext", f"subjectAltName=IP:{MASTER}", "-keyout", KEY, "-out", CERTIFICATE),
]
SOURCE = """\
plugin: perceus.cluster.leases
master: https://{master}
ca_file: {ca_file}
token: {token}
"""


@pytest.fixture(scope="module")
def token(cluster: Cluster) -> str:
    """A token that the master takes, which was configured twice: the second time nothing changed."""
    cluster.run("master", *SELF_SIGNED)
    token = secrets.token_hex(32)
    options = {
        "inventory_server_tokens": [token],
        "inventory_server_key": KEY,
        "inventory_server_certificate": CERTIFICATE,
    }
    said = [cluster.playbook("inventory_serve", "-e", json.dumps(options)) for _run in range(2)]
    assert "changed=0 " in said[1]
    assert not any(token in words for words in said)
    return token


def ask(cluster: Cluster, folder: Path, token: str, *, status: int = 0) -> str:
    """What ansible-inventory prints on a machine of the master's network that has this token."""
    source = folder / "perceus.yml"
    source.write_text(SOURCE.format(master=MASTER, ca_file=cluster.on_master(CERTIFICATE), token=token))
    argv = [
        "env",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=1",
        "ansible-inventory",
        "--inventory",
        str(source),
        "--list",
    ]
    return run(network.inside(cluster.lab.master, argv), status=status)


def test_it_is_the_same_by_https(cluster: Cluster, token: str, tmp_path: Path) -> None:
    served = hosts_by_group(json.loads(ask(cluster, tmp_path, token)))
    assert served["live"] == ["n101", "n102"]
    assert served == hosts_by_group(cluster.inventory())


def hosts_by_group(inventory: dict[str, Any]) -> dict[str, list[str]]:
    return {name: group["hosts"] for name, group in inventory.items() if "hosts" in group}


def test_nobody_else_sees_it(cluster: Cluster, token: str, tmp_path: Path) -> None:
    other = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert "n101" not in ask(cluster, tmp_path, other, status=1)
