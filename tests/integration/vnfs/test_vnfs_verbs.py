# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does with a VNFS beside building it: check mode's word is compared with what the run then does.

The VNFS is small: a few programs of this machine, and a stand-in for dracut.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import load_current_image
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish import is_whole

from .conftest import Master
from .test_vnfs_insight import INVENTORY

STORE = "/var/lib/perceus/vnfs"
FILES = {"reports": "/var/lib/perceus/reports.log", "leases": "/var/lib/perceus/leases"}


class Small:
    """A small VNFS on a master."""

    name = "small"

    def __init__(self, master: Master) -> None:
        self.master = master
        self.folder = master.path(f"{STORE}/{self.name}")
        self.tree = self.folder / "rootfs"

    def do(self, module: str, **options: Any) -> dict[str, Any]:
        return self.master.do(module, **{"name": self.name, **options})

    def refuse(self, module: str, **options: Any) -> str:
        """Run a module that must refuse, in check mode too and with the same words; return them."""
        said = [
            self.master.call(module, **{"name": self.name, **options}, _ansible_check_mode=check)
            for check in (True, False)
        ]
        assert all(result.get("failed") for result in said), said
        assert said[0]["msg"] == said[1]["msg"]
        return str(said[1]["msg"])

    def check_and_do(self, module: str, **options: Any) -> dict[str, Any]:
        """Run a module twice, each time in check mode first: its word is what is done, and the second time nothing is.

        Return the result of the first run.
        """
        options = {"name": self.name, "_ansible_diff": True, **options}
        said, done, said_again, done_again = (
            self.master.do(module, **options, _ansible_check_mode=check) for check in (True, False) * 2
        )
        for check, run in ((said, done), (said_again, done_again)):
            assert word(check) == word(run)
        assert (done_again["changed"], done_again["action"]) == (False, "none")
        return done

    def change(self, content: str) -> None:
        (self.tree / "srv/changed").write_text(content)

    def publish(self, content: str) -> str:
        """Publish a changed tree and return the generation; no two have the same second."""
        self.change(content)
        time.sleep(1.1)
        return str(self.do("vnfs_image")["generation"])

    @property
    def current(self) -> str:
        return os.readlink(self.folder / "current").removeprefix("images/")

    @property
    def generations(self) -> set[str]:
        return {path.name for path in (self.folder / "images").iterdir()}


def word(result: dict[str, Any]) -> dict[str, Any]:
    """What check mode must foresee of a result: all but times."""
    image = result.get("image")
    kept = {key: value for key, value in result.items() if key not in ("phases", "invocation", "mounted", "image")}
    return {**kept, "image": word(image) if image else None}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tree_at: Any) -> Path:
    """A tree that can be configured and published."""
    root = tmp_path_factory.mktemp("verbs") / "tree"
    tree = tree_at(root)
    for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "var/lib/dpkg", "var/tmp", "tmp", "root", "srv"):
        (root / folder).mkdir(parents=True)
    for link in ("bin", "lib", "lib64"):
        (root / link).symlink_to(f"usr/{link}")
    for program in ("bash", "cat", "chmod", "cp", "cpio", "install", "rm", "setfacl", "sleep", "tee", "zstd"):
        tree.add_program(f"/usr/bin/{program}")
    tree.add_program("/usr/sbin/chpasswd")
    for program in ("usr/sbin/systemctl", "usr/sbin/sshd", "usr/bin/curl"):
        tree.write(program, "", mode=0o755)
    dracut = '#!/bin/bash\necho etc/passwd | cpio --quiet --create --format=newc | zstd --quiet -o "${@: -1}"\n'
    tree.write("usr/bin/dracut", dracut, mode=0o755)
    tree.write("boot/vmlinuz-9.1", "kernel")
    tree.write("etc/passwd", "root:x:0:0::/root:/bin/bash\n")
    tree.write("etc/group", "root:x:0:\n")
    tree.write("etc/shadow", "root::1::::::\n", mode=0o640)
    tree.write("usr/lib/os-release", "ID=debian\n")
    tree.write("var/lib/dpkg/status", "")
    return root


@pytest.fixture
def small(master: Master, source: Path) -> Iterator[Small]:
    master.do("vnfs", name=Small.name, folder={"root": str(source)})
    vnfs = Small(master)
    yield vnfs
    vnfs.do("vnfs", state="absent", force=True)
    assert [path.name for path in vnfs.folder.parent.glob(f".{Small.name}.*")] == [f".{Small.name}.lock"]


@pytest.fixture
def cluster(small: Small) -> Iterator[dict[str, Any]]:
    """Options that name the configuration of a cluster: n101 boots ``small`` as its group does, n102 the default."""
    state = small.master.path("/var/lib/perceus")
    settings = {
        "version": 1,
        "interface": "eth1",
        "address": "10.17.0.1/16",
        "domain": "cluster.internal",
        "node_range": "10.17.5.101-10.17.5.250",
        "discovery_range": "10.17.64.1-10.17.80.250",
        "node_name": "n###",
        "node_first": 101,
        "default_group": "compute",
        "default_vnfs": "other",
        "adoption": "adopt",
        "masked_macs": [],
        "console": "tty0",
        "kernel_args": "",
        "lease_time": 43200,
        "state_dir": "/var/lib/perceus",
        **FILES,
    }
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


def test_a_vnfs_is_not_renamed_over_another(small: Small, source: Path) -> None:
    small.do("vnfs", name="other", folder={"root": str(source)})
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


def test_whoever_mounts_a_vnfs_publishes_and_hands_it_back(small: Small) -> None:
    done = small.check_and_do("vnfs_mount")
    assert (done["action"], done["mounted"]["who"], done["shell"]) == ("mount", "root", "vnfs-shell small")
    (found,) = small.do("vnfs_info")["vnfs"]
    assert found["mounted"] == done["mounted"]
    small.change("1")
    done = small.check_and_do("vnfs_mount", state="unmounted")
    assert (done["action"], done["image"]["action"]) == ("unmount", "publish")
    assert small.current == done["image"]["generation"]
    assert small.do("vnfs_info")["vnfs"][0]["mounted"] is None


def test_handing_back_may_leave_publishing_for_later(small: Small) -> None:
    small.do("vnfs_mount")
    assert "image" not in small.check_and_do("vnfs_mount", state="unmounted", publish=False)
    assert not (small.folder / "current").exists()


def test_while_somebody_has_it_others_neither_publish_nor_replace(small: Small) -> None:
    record = small.folder.with_name(f".{small.name}.mounted")
    record.write_text('{"who": "alice", "since": "2030-01-01T00:00:00Z"}')
    for module, options in (
        ("vnfs_image", {}),
        ("vnfs", {"state": "rebuilt"}),
        ("vnfs", {"state": "absent", "force": True}),
        ("vnfs", {"state": "renamed", "new_name": "renamed"}),
        ("vnfs_mount", {}),
        ("vnfs_mount", {"state": "unmounted"}),
        ("vnfs_mount", {"state": "closed"}),
    ):
        assert "alice has it mounted since 2030-01-01T00:00:00Z" in small.refuse(module, **options)
    assert small.do("vnfs_command", argv=["cat", "/etc/passwd"])["stdout"].startswith("root:")
    assert small.check_and_do("vnfs_mount", force=True)["mounted"]["who"] == "root"


def test_closing_goes_back_to_what_was_published(small: Small) -> None:
    (small.tree / "srv/kept").write_text("kept")
    (small.tree / "srv/kept").chmod(0o4750)
    os.setxattr(small.tree / "srv", "trusted.note", b"\0\xff")
    subprocess.run(["setfacl", "--modify", "user:1234:rwx", small.tree / "srv/kept"], check=True)
    generation = small.publish("1")
    small.do("vnfs", keep=7)
    small.do("vnfs_mount")
    small.change("2")
    (small.tree / "srv/kept").unlink()
    (small.tree / "srv/added").write_text("added")
    done = small.check_and_do("vnfs_mount", state="closed")
    assert (done["action"], done["generation"]) == ("close", generation)
    lost = {change["name"]: change["change"] for change in done["lost"]["files"]}
    del lost["usr/lib/perceus/acls"]  # which publishing makes
    assert lost == {"srv/added": "removed", "srv/changed": "content", "srv/kept": "added"}
    assert (small.tree / "srv/changed").read_text() == "1"
    assert not (small.tree / "srv/added").exists()
    assert (
        "user:1234:rwx"
        in subprocess.run(
            ["getfacl", "--omit-header", small.tree / "srv/kept"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    )
    again = small.do("vnfs_image")
    assert (again["action"], again["generation"]) == ("none", generation)
    assert small.do("vnfs_info")["vnfs"][0]["options"]["keep"]["value"] == 7


def test_closing_an_unchanged_tree_only_hands_it_back(small: Small) -> None:
    assert "nothing is published" in small.refuse("vnfs_mount", state="closed")
    small.publish("1")
    inode = small.tree.stat().st_ino
    small.do("vnfs_mount")
    done = small.do("vnfs_mount", state="closed")
    assert (done["changed"], done["action"], small.tree.stat().st_ino) == (True, "none", inode)
    assert not small.do("vnfs_mount", state="closed")["changed"]


PROCESSES = {
    "working directory": ["sh", "-c", "cd {tree}/srv && exec sleep 1000"],
    "open file": ["sh", "-c", "exec 3< {tree}/etc/passwd && exec sleep 1000"],
    "program": ["sh", "-c", "exec {tree}/usr/bin/sleep 1000"],
    "root": ["chroot", "{tree}", "sleep", "1000"],
    "root elsewhere": ["bwrap", "--die-with-parent", "--bind", "{tree}", "/", "--proc", "/proc", "--", "sleep", "1000"],
}


def test_what_works_in_the_tree_is_named_and_nothing_is_half_done(small: Small) -> None:
    small.publish("1")
    small.do("vnfs_mount")
    small.change("2")
    served = small.current
    with contextlib.ExitStack() as running:
        begun = []
        for argv in PROCESSES.values():
            command = small.master.command(*(part.format(tree=f"{STORE}/{small.name}/rootfs") for part in argv))
            process = running.enter_context(subprocess.Popen(command))
            running.callback(process.kill)
            begun.append(await_sleep(process.pid))
        for state in ("unmounted", "closed"):
            message = small.refuse("vnfs_mount", state=state)
            for pid, holds in zip(begun, PROCESSES):
                assert re.search(rf"process {pid} \([^)]*sleep 1000\) with its {holds.split(' elsewhere')[0]}", message)
    assert (small.current, small.generations) == (served, {served})
    assert (small.tree / "srv/changed").read_text() == "2"
    assert small.do("vnfs_mount", state="unmounted")["image"]["action"] == "publish"


def await_sleep(pid: int) -> int:
    """Wait until a process, or one that it started, has become sleep(1), and return its number."""
    deadline = time.monotonic() + 10
    while True:
        for one in (pid, *_descendants(pid)):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{one}/comm").read_text() == "sleep\n":
                    return one
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.02)


def _descendants(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(below for child in found for below in _descendants(child))]


POINTS = ("srv/a b", "srv/new\nline", r"srv/\040", "srv/outer/inner", "srv/link/through")


def test_what_is_mounted_in_a_tree_survives_every_verb(small: Small) -> None:
    """The mounts are of the same file system as the tree."""
    master = small.master
    precious = master.path("/var/lib/perceus/precious")
    precious.mkdir(exist_ok=True)
    (precious / "file").write_text("alive")
    small.publish("1")
    small.do("vnfs_mount")
    small.change("2")
    (small.tree / "srv/real").mkdir()
    (small.tree / "srv/link").symlink_to("real")
    capsule = small.do("vnfs_capsule", state="exported")
    imported = {"state": "imported", "source": capsule["capsule"], "checksum": capsule["checksum"], "force": True}
    targets = [f"{STORE}/{small.name}/rootfs/{point}" for point in POINTS]
    for target in targets:
        master.run("mkdir", "-p", target)
        master.run("mount", "--bind", "/var/lib/perceus/precious", target)
    try:
        refused = {
            "publish": small.refuse("vnfs_image"),
            "rebuild": small.refuse("vnfs", state="rebuilt"),
            "delete": small.refuse("vnfs", state="absent", force=True),
            "rename": small.refuse("vnfs", state="renamed", new_name="renamed"),
            "umount": small.refuse("vnfs_mount", state="unmounted"),
            "close": small.refuse("vnfs_mount", state="closed"),
            "import": small.refuse("vnfs_capsule", **imported),
        }
        assert (precious / "file").read_text() == "alive"
    finally:
        for target in targets:
            master.run("umount", target)
    shown = [repr(target.replace("/link/", "/real/")) for target in targets]
    assert {verb: [point for point in shown if point not in words] for verb, words in refused.items()} == {
        verb: [] for verb in refused
    }
    assert small.do("vnfs_mount", state="closed")["action"] == "close"


SYSTEMCTL = r"""#!/bin/sh
case "$1" in
    show) printf 'LoadState=loaded\nActiveState=inactive\nUnitFileState=static\n' ;;
    *) echo "$*" >> /var/lib/perceus/systemctl ;;
esac
"""
EXTRA = {"vnfs": Small.name, "ansible_become": False}


def play(small: Small, inventory: Path, name: str, *arguments: str, **extra: Any) -> str:
    words = ("-i", str(inventory), f"perceus.cluster.{name}", "-e", json.dumps({**EXTRA, **extra}), *arguments)
    return small.master.run("ansible-playbook", *words)


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
    assert set(systemctl.read_text().splitlines()) == {"start perceus-reconcile.service --no-block"}
