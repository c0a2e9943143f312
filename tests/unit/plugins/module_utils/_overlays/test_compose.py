# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Group, Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.composer import Composer
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.facts import load_accounts

KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC" * 4 + "\n-----END PRIVATE KEY-----\n"


def composed(cluster: ClusterConfig, node: Node, *overlays: str, **scopes: Any) -> dict[str, tuple[int, bytes, str]]:
    """Return mode, content and overlay by name of what a node with these overlays gets."""
    node = replace(node, overlays=overlays)
    files = Composer(Registry(nodes=(node,), **{"groups": {}, **scopes}), cluster).compose(node)
    return {file.name: (file.mode, file.content, file.origin.overlay) for file in files}


def test_files_are_where_the_node_has_them(write: Any, cluster: ClusterConfig, node: Node) -> None:
    write("site/files/etc/motd", "hello\n", mode=0o640)
    write("site/init.d/10-x", "#!/bin/sh\n")
    write("site/ready.d/20-y.j2", "#!/bin/sh\necho {{ node.name | quote }}\n")
    assert composed(cluster, node, "site") == {
        "etc/motd": (0o640, b"hello\n", "site"),
        "etc/perceus/init.d/10-x": (0o755, b"#!/bin/sh\n", "site"),
        "etc/perceus/ready.d/20-y": (0o755, b"#!/bin/sh\necho n101\n", "site"),
    }


def test_a_file_of_a_more_particular_scope_replaces_that_of_another(
    write: Any, cluster: ClusterConfig, node: Node
) -> None:
    for overlay in ("a", "b", "c", "d"):
        write(f"{overlay}/files/etc/motd", overlay)
        write(f"{overlay}/files/etc/{overlay}", overlay)
    scopes: dict[str, Any] = {
        "overlays": {"*": ("d",), "debian": ("c",)},
        "groups": {"compute": Group("compute", overlays=("b",))},
    }
    assert composed(cluster, node, **scopes)["etc/motd"][2] == "b"
    assert composed(cluster, node, "a", **scopes) == {
        **{f"etc/{overlay}": (0o644, overlay.encode(), overlay) for overlay in ("a", "b", "c", "d")},
        "etc/motd": (0o644, b"a", "a"),
    }


def test_a_template_knows_the_node_and_its_cluster(write: Any, cluster: ClusterConfig, node: Node) -> None:
    write(
        "site/files/facts.j2",
        "{{ node.name }} {{ node.address }}/{{ cluster.prefix }} {{ node.mac }} {{ node.group }} {{ node.vnfs }}"
        " {{ cluster.domain }} {{ cluster.master }} {{ node.variables.rack }}",
    )
    facts = composed(cluster, replace(node, variables={"rack": "{{ 7 * 7 }}"}), "site")["facts"][1]
    assert facts == (b"n101 10.17.5.101/24 52:54:00:00:00:01 compute debian cluster.internal 10.17.5.1 {{ 7 * 7 }}")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("files/srv/key.pem", KEY, "private key"),
        ("files/etc/shadow", "root:$6$salt$hash:1:0:99999:7:::\n", "password hash"),
        ("files/etc/munge/munge.key", "x", "munge key"),
        ("files/etc/krb5.keytab", b"\x05\x02xx", "keytab"),
        ("ready.d/50-key", KEY, "private key"),
        ("files/srv/key.pem.j2", "{{ node.variables.key }}", "private key"),
    ],
)
def test_a_secret_is_given_to_no_node(
    name: str, content: str | bytes, kind: str, write: Any, cluster: ClusterConfig, node: Node
) -> None:
    write(f"site/{name}", content)
    with pytest.raises(PerceusError, match=f"Cannot use overlay 'site': .* holds a {kind}. .*by ssh"):
        composed(cluster, replace(node, variables={"key": KEY}), "site")


def test_a_file_of_one_cannot_be_a_folder_of_another(write: Any, cluster: ClusterConfig, node: Node) -> None:
    write("a/files/srv/x", "")
    write("b/files/srv/x/y", "")
    with pytest.raises(PerceusError, match="both 'srv/x' of overlay 'a' and 'srv/x/y' of 'b'"):
        composed(cluster, node, "a", "b")


def test_a_template_is_text(write: Any, cluster: ClusterConfig, node: Node) -> None:
    write("site/files/x.j2", b"\xff")
    with pytest.raises(PerceusError, match=r"Cannot render 'files/x\.j2' of overlay 'site': not UTF-8"):
        composed(cluster, node, "site")


def test_what_is_the_same_for_all_nodes_is_looked_at_once(write: Any, cluster: ClusterConfig, node: Node) -> None:
    """A file may be large, and nodes may be many."""
    write("site/files/large", "x")
    write("site/files/own.j2", "{{ node.name }}")
    nodes = (replace(node, overlays=("site",)), replace(node, name="n102", overlays=("site",)))
    composer = Composer(Registry({}, nodes), cluster)
    (large, own), (other_large, other_own) = map(composer.compose, nodes)
    assert large is other_large
    assert (own.content, other_own.content) == (b"n101", b"n102")


def test_an_overlay_that_is_not_there_is_named(cluster: ClusterConfig, node: Node) -> None:
    with pytest.raises(PerceusError, match="Cannot find overlay 'site'"):
        composed(cluster, node, "site")


def test_accounts_are_those_of_people_and_without_passwords(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nada:$6$x:1000:1000:Ada:/home/ada:/bin/sh\nnobody:x:65534:65534::/:/x\nodd\n"
        "odd:x:1001::no group:/x:/x\nodd:x::1001:no number:/x:/x\n"
    )
    (tmp_path / "group").write_text("adm:x:4:ada\nada:x:1000:\nlab:x:1001:ada,bob\n")
    assert load_accounts(tmp_path / "passwd", tmp_path / "group") == {
        "users": [{"name": "ada", "uid": 1000, "gid": 1000, "gecos": "Ada", "home": "/home/ada", "shell": "/bin/sh"}],
        "groups": [
            {"name": "ada", "gid": 1000, "members": []},
            {"name": "lab", "gid": 1001, "members": ["ada", "bob"]},
        ],
    }
