# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays as an operator makes, activates and looks at them; what nodes make of them is in first_stage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cluster
from .test_node_playbooks import changed, play

MOTD = {"path": "files/etc/motd.j2", "content": "{{ node.name }} of {{ node.group }}\n"}
HELLO = {"path": "ready.d/50-hello", "content": "#!/bin/sh\necho hello\n"}
KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC" * 4 + "\n-----END PRIVATE KEY-----\n"


def four_times(cluster: Cluster, **options: Any) -> dict[str, Any]:
    """Check, run, check again, run again; return the first run's result."""
    check, run, *again = (
        cluster.do("overlay", **options, _ansible_check_mode=check, _ansible_diff=True) for check in (True, False) * 2
    )
    assert {**check, "invocation": None} == {**run, "invocation": None}
    assert [run["changed"], *(result["changed"] for result in again)] == [True, False, False]
    return run


@pytest.fixture
def greeting(three: Cluster) -> Cluster:
    """Three nodes, and an overlay that is active nowhere."""
    assert three.do("overlay", name="greeting", files=[MOTD, HELLO])["nodes"] == []
    return three


def previews(cluster: Cluster, nodes: str) -> dict[str, dict[str, str]]:
    return {
        preview["node"]: {file["name"]: file["content"] for file in preview["files"]}
        for preview in cluster.do("overlay_info", preview=nodes)["previews"]
    }


def test_an_overlay_is_made_changed_and_removed(three: Cluster) -> None:
    folder = three.config.overlays / "greeting"
    made = four_times(three, name="greeting", files=[MOTD, HELLO])
    assert [part["after_header"] for part in made["diff"]] == [
        "greeting/files/etc/motd.j2",
        "greeting/ready.d/50-hello",
    ]
    changed = four_times(three, name="greeting", files=[{**MOTD, "mode": "0600"}])
    assert changed["diff"][0]["before"].startswith("mode 0644\n")
    assert sorted(path.name for path in folder.rglob("*")) == ["etc", "files", "motd.j2"]
    assert oct((folder / "files/etc/motd.j2").stat().st_mode & 0o777) == "0o600"
    four_times(three, name="greeting", state="absent")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("scope", "of", "nodes"),
    [
        ("all", None, ["n101", "n102", "n103"]),
        ("vnfs", "debian", ["n101", "n102", "n103"]),
        ("vnfs", "rocky-9", []),
        ("group", "viz", ["n103"]),
        ("node", "n[101,103]", ["n101", "n103"]),
    ],
)
def test_it_is_active_where_somebody_says_so(greeting: Cluster, scope: str, of: str, nodes: list[str]) -> None:
    active = four_times(greeting, name="greeting", state="active", scope=scope, of=of)
    assert active["nodes"] == nodes
    assert '"greeting"' in active["diff"]["after"]
    assert greeting.do("overlay_info", name="greeting")["overlays"][0]["nodes"] == nodes
    greeting.reconcile()
    scripts = [path.read_text() for path in sorted(greeting.config.state_dir.glob("boot/52-*"))]
    assert len(scripts) == 3
    assert "is active for" in greeting.refuse("overlay", name="greeting", state="absent")
    assert four_times(greeting, name="greeting", state="inactive", scope=scope, of=of)["nodes"] == []
    assert previews(greeting, "n103") == {"n103": {}}


def test_a_preview_shows_every_file_and_where_it_comes_from(greeting: Cluster) -> None:
    greeting.do("overlay", name="other", files=[{"path": "files/etc/motd", "content": "other\n"}])
    greeting.do("overlay", name="greeting", state="active", scope="all")
    greeting.do("overlay", name="other", state="active", scope="group", of="viz")
    assert previews(greeting, "n[101,103]") == {
        "n101": {"/etc/motd": "n101 of compute\n", "/etc/perceus/ready.d/50-hello": HELLO["content"]},
        "n103": {"/etc/motd": "other\n", "/etc/perceus/ready.d/50-hello": HELLO["content"]},
    }
    (preview,) = greeting.do("overlay_info", preview="n103")["previews"]
    assert preview["overlays"] == [{"name": "greeting", "scope": "all"}, {"name": "other", "scope": "group"}]
    assert [(file["overlay"], file["scope"], file["mode"]) for file in preview["files"]] == [
        ("other", "group", "0644"),
        ("greeting", "all", "0755"),
    ]


def test_a_secret_is_refused_wherever_it_comes_from(greeting: Cluster) -> None:
    key = {"path": "files/etc/ssl/x.pem", "content": KEY}
    folder = greeting.config.overlays / "greeting"
    assert "holds a private key" in greeting.refuse("overlay", name="keys", files=[key])
    assert not (greeting.config.overlays / "keys").exists()
    (folder / "files/etc/x.pem").write_text(KEY)
    for scope, of in (("all", None), ("group", "empty"), ("node", "n101")):
        said = greeting.refuse("overlay", name="greeting", state="active", scope=scope, of=of)
        assert "'files/etc/x.pem' holds a private key" in said
    (folder / "files/etc/x.pem").unlink()
    greeting.do("node", name="n102", variables={"key": KEY})
    leak = [{"path": "files/etc/x.j2", "content": "{{ node.variables.key | default('') }}"}]
    greeting.do("overlay", name="greeting", state="active", scope="all")
    assert "holds a private key (node n102)" in greeting.refuse("overlay", name="greeting", files=leak)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"files": [{"path": "etc/motd", "content": ""}]}, "not a plain name below files, init.d, ready.d"),
        ({"files": [{"path": "files/../../x", "content": ""}]}, "not a plain name"),
        ({"files": [{"path": "files/x", "content": "", "mode": "rw"}]}, "Write 0644"),
        ({"files": [{"path": "files/x", "content": text} for text in ("", "y")]}, "'files/x' is there twice"),
        ({"files": [{"path": f"files/{name}", "content": ""} for name in ("x", "x/y")]}, "one needs a folder where"),
        ({"files": [{"path": "files/x", "content": "x" * (16 * 1024 * 1024 + 1024)}]}, "Put large files into the VNFS"),
        ({}, "Cannot make overlay 'site' of nothing"),
        ({"name": "../site", "files": []}, "Cannot name an overlay"),
        ({"state": "active", "scope": "all"}, "Cannot find overlay 'site'"),
        ({"name": "greeting", "state": "active", "scope": "node", "of": "n999"}, "no node matches n999"),
        ({"name": "greeting", "state": "active", "scope": "vnfs"}, "which vnfs is meant"),
        ({"name": "greeting", "state": "active", "scope": "vnfs", "of": "debain"}, "there is no such VNFS"),
        ({"name": "greeting", "state": "active"}, "all of the following are missing: scope"),
    ],
)
def test_what_cannot_be_is_refused(greeting: Cluster, options: dict[str, Any], reason: str) -> None:
    assert reason in greeting.refuse("overlay", **{"name": "site", **options})


def test_a_template_is_tried_on_every_node_before_it_is_active(greeting: Cluster) -> None:
    greeting.do("overlay", name="rack", files=[{"path": "files/etc/rack.j2", "content": "{{ node.variables.rack }}\n"}])
    greeting.do("node", name="n101", variables={"rack": 7})
    said = greeting.refuse("overlay", name="rack", state="active", scope="all")
    assert "'rack' (node n102). Mend the template, or set what it lacks" in said
    greeting.do("overlay", name="rack", state="active", scope="node", of="n101")
    assert previews(greeting, "n101")["n101"]["/etc/rack"] == "7\n"


def test_a_folder_that_was_copied_there_is_an_overlay(greeting: Cluster) -> None:
    path = Path(greeting.config.overlays / "copied/files/etc/x")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\x00")
    assert not greeting.do("overlay", name="copied")["changed"]
    greeting.do("overlay", name="copied", state="active", scope="all")
    assert previews(greeting, "n101")["n101"] == {"/etc/x": None}


@pytest.mark.parametrize("program", ["reconciler", "module"])
def test_an_overlay_whose_replacement_was_killed_is_there_again(greeting: Cluster, program: str) -> None:
    folder = greeting.config.overlays / "greeting"
    folder.rename(folder.with_name(".greeting.perceus-old"))
    if program == "reconciler":
        greeting.reconcile()
    assert not greeting.do("overlay", name="greeting")["changed"]
    assert {path.name for path in greeting.config.overlays.iterdir()} == {"greeting", "gpu"}


def test_the_session_of_an_operator(greeting: Cluster) -> None:
    motd = {"path": "files/etc/motd.j2", "content": "{% raw %}hello {{ node.name }}\n{% endraw %}"}
    assert "Say which overlay" in play(greeting, "overlays_set").stdout
    assert changed(play(greeting, "overlays_set", overlay="motd", files=[motd]))
    assert not changed(play(greeting, "overlays_set", overlay="motd", files=[motd]))
    assert changed(play(greeting, "overlays_activate", "--check", overlay="motd", scope="all"))
    assert greeting.registry.overlays == {}
    assert "n101, n102, n103" in play(greeting, "overlays_activate", overlay="motd", scope="all").stdout
    assert changed(play(greeting, "overlays_activate", overlay="greeting", scope="node", of="n[101-102]"))
    listed = play(greeting, "overlays_list").stdout
    assert re.search(r"greeting +no +- +- +n101, n102 +n101, n102 +files/etc/motd\.j2, ready\.d/50-hello", listed)
    assert re.search(r"motd +yes +- +- +- +n101, n102, n103 +files/etc/motd\.j2", listed)
    shown = play(greeting, "overlays_show", nodes="n[101,103]", file="/etc/motd").stdout
    assert re.search(r"/etc/motd +0644 +greeting +node", shown)
    assert re.search(r"/etc/motd +0644 +motd +all", shown)
    assert "n101 of compute" in shown
    assert "hello n103" in shown
    assert "is active for all nodes" in play(greeting, "overlays_delete", overlay="motd").stdout
    assert changed(play(greeting, "overlays_deactivate", overlay="motd", scope="all"))
    assert changed(play(greeting, "overlays_delete", overlay="motd"))
