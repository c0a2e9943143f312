# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does with a VNFS beside building it: check mode's word is compared with what the run then does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import load_current_image
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.publish import is_whole

from tests.cluster import cluster_settings

from .small import Small, word
from .test_vnfs_insight import INVENTORY

FILES = {"reports": "/var/lib/perceus/reports.log", "leases": "/var/lib/perceus/leases"}


@pytest.fixture
def cluster(small: Small) -> Iterator[dict[str, Any]]:
    """Options that name the configuration of a cluster: n101 boots ``small`` as its group does, n102 the default."""
    state = small.master.path("/var/lib/perceus")
    settings = cluster_settings(Path("/var/lib/perceus"), default_vnfs="other", state_dir="/var/lib/perceus")
    (state / "cluster.json").write_text(json.dumps(settings))
    (state / "leases").write_text("")
    nodes = [
        {
            "name": f"n10{number}",
            "macs": [f"52:54:00:00:00:0{number}"],
            "address": f"10.17.5.10{number}",
            "group": group,
            "enabled": True,
            "machine_id": f"{number}" * 32,
            "adopted": "2030-01-01T00:00:00Z",
        }
        for number, group in ((1, "viz"), (2, "compute"))
    ]
    registry = {"format": "perceus-nodes", "version": 1, "groups": {"viz": {"vnfs": small.name}}, "nodes": nodes}
    (state / "nodes.json").write_text(json.dumps(registry))
    yield {"config": "/var/lib/perceus/cluster.json"}
    for name in ("cluster.json", "nodes.json", "reports.log", "leases"):
        (state / name).unlink(missing_ok=True)


def report(small: Small, generation: str) -> None:
    """Have n101 say that it runs a generation."""
    line = {
        "time": "2030-01-01T00:00:00+00:00",
        "address": "10.17.5.101",
        "stage": "ready",
        "detail": "",
        "mac": "52%3A54%3A00%3A00%3A00%3A01",
        "generation": generation,
        "boot": "",
        "hostkey": "",
    }
    small.master.path(FILES["reports"]).write_text(json.dumps(line) + "\n")


def test_rolling_back_serves_what_was_served_before(small: Small) -> None:
    first, second = small.publish("1"), small.publish("2")
    back = small.do("vnfs_image", state="rolled_back", _ansible_check_mode=True)
    assert (back["changed"], back["action"], back["generation"], small.current) == (True, "flip", first, second)
    assert word(small.do("vnfs_image", state="rolled_back")) == word(back)
    assert small.current == first
    assert "nothing older is published" in small.refuse("vnfs_image", state="rolled_back")
    assert small.check_and_do("vnfs_image", state="rolled_back", generation=second)["action"] == "flip"
    assert small.current == second
    assert (small.tree / "srv/changed").read_text() == "2"


def test_rolling_back_refuses_what_is_not_whole(small: Small) -> None:
    first, second = small.publish("1"), small.publish("2")
    with (small.folder / "images" / first / "rootfs.squashfs").open("ab") as stream:
        stream.write(b"!")
    assert "its files are not those that were published" in small.refuse("vnfs_image", state="rolled_back")
    missing = small.refuse("vnfs_image", state="rolled_back", generation="0" * 16)
    assert f"it is not published. Published are: {first}, {second}" in missing
    assert small.current == second


def test_pruning_leaves_what_nodes_run(small: Small, cluster: dict[str, Any]) -> None:
    generations = [small.publish(str(number)) for number in range(3)]
    report(small, generations[0])
    done = small.check_and_do("vnfs_image", state="pruned", keep=1, **cluster)
    assert (done["action"], done["pruned"], done["kept"]) == ("prune", [generations[1]], {generations[0]: ["n101"]})
    assert small.generations == {generations[0], generations[2]}
    small.do("vnfs", keep=1)
    small.change("3")
    published = small.do("vnfs_image", **cluster)
    assert (published["pruned"], published["kept"]) == ([generations[2]], {generations[0]: ["n101"]})
    assert small.generations == {generations[0], published["generation"]}
    assert "fewer generations" in small.refuse("vnfs_image", state="pruned", keep=0)


def test_a_vnfs_in_use_is_neither_removed_nor_renamed(small: Small, cluster: dict[str, Any]) -> None:
    for options in ({"state": "absent"}, {"state": "renamed", "new_name": "other"}):
        assert "it is used by group viz, node n101" in small.refuse("vnfs", **options, **cluster)
    assert small.tree.exists()
    assert small.check_and_do("vnfs", state="absent", force=True, **cluster)["action"] == "remove"


def test_a_renamed_vnfs_is_served_under_its_new_name(small: Small) -> None:
    generation = small.publish("1")
    renamed = small.folder.with_name("renamed")
    try:
        assert small.check_and_do("vnfs", state="renamed", new_name="renamed")["action"] == "rename"
        assert not small.folder.exists()
        image = load_current_image(renamed.parent, "renamed")
        assert image is not None
        assert image.generation == generation
        assert is_whole(renamed / "images" / generation, vnfs="renamed")
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=renamed / "current", check=True)
        assert small.do("vnfs_image", name="renamed")["action"] == "none"
        small.do("vnfs", name="renamed", state="renamed", new_name=small.name)
        assert "there is none of that name" in small.refuse("vnfs", name="nothing", state="renamed", new_name="new")
    finally:
        small.do("vnfs", name="renamed", state="absent")


def test_a_vnfs_is_not_renamed_over_another(small: Small, small_source: Path) -> None:
    small.do("vnfs", name="other", folder={"root": str(small_source)})
    try:
        assert "there is one of that name" in small.refuse("vnfs", state="renamed", new_name="other")
        assert small.tree.exists()
    finally:
        small.do("vnfs", name="other", state="absent")


def test_options_are_configured_without_touching_the_tree(small: Small) -> None:
    before = {path: path.lstat().st_ctime_ns for path in small.tree.rglob("*")}
    assert small.check_and_do("vnfs", kernel_args="quiet", keep=5)["action"] == "update"
    (found,) = small.do("vnfs_info")["vnfs"]
    assert [found["options"][name]["value"] for name in ("kernel_args", "keep")] == ["quiet", 5]
    assert {path: path.lstat().st_ctime_ns for path in small.tree.rglob("*")} == before


def test_included_files_follow_the_masters_and_are_no_secrets(small: Small, tmp_path: Path) -> None:
    src, outside = tmp_path / "motd", tmp_path / "outside"
    src.write_text("one")
    (small.tree / "etc/site").symlink_to(tmp_path)
    include = {"src": str(src), "dest": "/etc/site.d/motd", "mode": "0640"}
    assert small.check_and_do("vnfs", includes=[include])["action"] == "update"
    copied = small.tree / "etc/site.d/motd"
    assert (copied.read_text(), copied.stat().st_mode & 0o7777) == ("one", 0o640)
    src.write_text("two")
    assert small.check_and_do("vnfs")["action"] == "update"
    assert copied.read_text() == "two"
    small.master.call("vnfs", name=small.name, includes=[{"src": str(src), "dest": "/etc/site/outside"}])
    assert not outside.exists()
    (small.tree / "etc/site").unlink()
    src.write_bytes(b"\5\2keytab")
    secret = small.refuse("vnfs", includes=[{**include, "dest": "/etc/krb5.keytab"}])
    assert f"Cannot include '{src}': it holds a keytab" in secret
    assert not (small.tree / "etc/krb5.keytab").exists()
    src.unlink()
    assert f"Cannot include '{src}'" in small.refuse("vnfs")


SYSTEMCTL = r"""#!/bin/sh
case "$*" in
    *show*) printf 'LoadState=loaded\nActiveState=inactive\nUnitFileState=static\n' ;;
    *) echo "$*" >> /var/lib/perceus/systemctl ;;
esac
"""


@pytest.fixture
def systemctl(small: Small) -> Iterator[Path]:
    """A stand-in for systemd, and the file of what it was told."""
    program = small.master.path("/usr/local/bin/systemctl")
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    told = small.master.path("/var/lib/perceus/systemctl")
    told.touch()
    yield told
    program.unlink()
    told.unlink()


@pytest.mark.usefixtures("systemctl")
def test_overrides_reach_the_boot_script_and_are_shown_with_their_origin(small: Small, cluster: dict[str, Any]) -> None:
    small.publish("1")
    overrides = {"groups": {"viz": {"kernel_args": "from=group"}}, "nodes": {"n101": {"kernel_args": "from=node"}}}
    assert small.check_and_do("vnfs", kernel_args="from=vnfs", overrides=overrides)["action"] == "update"
    code = "/usr/local/lib/perceus/perceus.zip"

    def boot() -> tuple[str, str, str]:
        small.master.run(
            "env", f"PYTHONPATH={code}", "python3", "-m", "perceus._master", "reconcile", "--config", config
        )
        script = small.master.path("/var/lib/perceus/boot/52-54-00-00-00-01.ipxe").read_text()
        node = small.master.do("node_info", **cluster)["nodes"][0]
        return script, node["vnfs_kernel_args"], node["vnfs_kernel_args_origin"]

    config = cluster["config"]
    script, *shown = boot()
    assert "console=tty0 from=node ||" in script
    assert shown == ["from=node", "node"]
    small.do("vnfs", overrides={"groups": overrides["groups"]})
    script, *shown = boot()
    assert "console=tty0 from=group ||" in script
    assert shown == ["from=group", "group"]
    small.do("vnfs", overrides={})
    assert boot()[1:] == ("", "vnfs")  # as it was published


EXTRA = {"vnfs": Small.name, "ansible_become": False}


def play(small: Small, inventory: Path, name: str, *arguments: str, **extra: Any) -> str:
    words = ("-i", str(inventory), f"perceus.cluster.{name}", "-e", json.dumps({**EXTRA, **extra}), *arguments)
    return small.master.run("ansible-playbook", *words)


def test_each_verb_has_a_playbook_that_can_be_rehearsed(small: Small, systemctl: Path, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY)
    first, second = small.publish("1"), small.publish("2")
    small.do("vnfs", name="cloned", clone={"vnfs": small.name})
    verbs: list[tuple[str, dict[str, Any], str]] = [
        ("vnfs_mount", {}, "vnfs-shell small"),
        ("vnfs_configure", {"configure": {"keep": 1}}, "keep: 1"),
        ("vnfs_umount", {"publish": False}, "mounted by"),
        ("vnfs_rollback", {}, f"small {first}"),
        ("vnfs_prune", {}, second),
        ("vnfs_close", {}, "content"),
        ("vnfs_rename", {"vnfs": "cloned", "to": "renamed"}, "changed=1"),
        ("vnfs_delete", {"vnfs": "renamed"}, "changed=1"),
        ("vnfs_rebuild", {}, "changed=1"),
    ]
    for name, extra, expected in verbs:
        for mode in (["--check"], []):
            assert expected in play(small, inventory, name, "--diff", *mode, **extra), name
    assert (small.current, small.generations) == (first, {first})
    assert not (small.tree / "srv/changed").exists()
    assert set(systemctl.read_text().splitlines()) == {"--no-block start perceus-reconcile.service"}


def test_publishing_and_rebuilding_are_what_check_mode_says(small: Small) -> None:
    small.change("published")
    assert small.check_and_do("vnfs_image")["action"] == "publish"
    options = {"state": "rebuilt", "_ansible_diff": True}
    said, done = (small.do("vnfs", **options, _ansible_check_mode=check) for check in (True, False))
    assert word(said) == word(done)
    assert done["action"] == "rebuild"
    assert not (small.tree / "srv/changed").exists()
