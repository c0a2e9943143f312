# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a tree is in its image, and how; and that nothing outside the tree is read or written for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import walk_tree

from tests import zoo

from .conftest import RECIPE, Master

SQUASHFS = "/var/lib/perceus/vnfs/debian/current/rootfs.squashfs"
OUTSIDE = "/var/lib/perceus/outside"
WORD = "never to be seen"

# A node's first stage in short. Arguments: image, the program that describes a folder.
BOOT = """set -eu
mount -t tmpfs node /media
cd /media
mkdir lower rw root
mount -t squashfs -o loop,ro "$1" lower
mount -t tmpfs -o mode=0755 rw rw
mkdir rw/upper rw/work
mount -t overlay -o lowerdir=lower,upperdir=rw/upper,workdir=rw/work,index=on overlay root
chroot root /usr/lib/perceus/restore-acls
shift
exec "$@" root/srv/zoo
"""


@pytest.fixture
def tree(image: Master) -> Iterator[Path]:
    """The capsule's tree, with a folder of its own in it while the test runs."""
    tree = image.vnfs / "rootfs"
    (tree / "srv/test").mkdir()
    yield tree
    image.run("rm", "-r", "/var/lib/perceus/vnfs/debian/rootfs/srv/test")


def listed(master: Master) -> list[str]:
    """The names in the published image, relative to its root."""
    lines = master.run("unsquashfs", "-ls", "-dest", "root", SQUASHFS)
    return [line.removeprefix("root/") for line in lines.splitlines()]


def test_everything_about_a_file_gets_into_the_image_and_onto_a_node(image: Master, tree: Path) -> None:
    zoo.plant(tree / "srv/test/zoo")
    image.inside("cp", "--archive", "/srv/test/zoo", "/srv/zoo")
    try:
        planted = zoo.describe(tree / "srv/test/zoo")
        assert zoo.describe(tree / "srv/zoo") == planted
        assert (tree / "srv/zoo/sparse").stat().st_blocks * 512 < zoo.SPARSE_SIZE
        image.do("vnfs_image", name="debian")
        boot = ["unshare", "--mount", "sh", "-c", BOOT, "sh", SQUASHFS, sys.executable, zoo.__file__]
        assert json.loads(image.run(*boot)) == planted
        image.run("unsquashfs", "-quiet", "-no-progress", "-d", "/var/lib/perceus/unpacked", SQUASHFS)
        image.run("sh", "-c", "cd /var/lib/perceus/unpacked && setfacl --restore=usr/lib/perceus/acls")
        before, after = walk_tree(tree), walk_tree(image.path("/var/lib/perceus/unpacked"))
        assert after.entries == before.entries
        assert after.scrubbed == ("etc/machine-id", "usr/lib/perceus/acls")
        manifest = json.loads((image.vnfs / "current/manifest.json").read_text())
        assert [entry["name"] for entry in manifest["entries"]] == [entry.name for entry in after.entries]
    finally:
        image.run("rm", "-rf", "/var/lib/perceus/unpacked", "/var/lib/perceus/vnfs/debian/rootfs/srv/zoo")


def test_what_is_excluded_is_not_in_the_image_and_counted(image: Master, tree: Path) -> None:
    names = ["a.log", "new\nline.log", "#hash.log", " lead.log", "back\\slash.log", "[x]*.log", "latin\udce4.log"]
    for name in [*names, "kept", "x.log.kept"]:
        (tree / "srv/test" / name).write_text("12345")
    os.link(tree / "srv/test/a.log", tree / "srv/test/same as a")
    rules = ["/srv/test/*.log", "/srv/**/nothing"]
    image.do("vnfs", name="debian", exclude=rules)
    try:
        result = image.do("vnfs_image", name="debian")
        kept = [name for name in listed(image) if name.startswith("srv/test/")]
    finally:
        image.do("vnfs", name="debian", exclude=[])
    assert kept == ["srv/test/kept", "srv/test/same as a", "srv/test/x.log.kept"]
    assert result["excluded"] == [
        {"pattern": "/srv/test/*.log", "files": len(names), "bytes": 5 * len(names)},
        {"pattern": "/srv/**/nothing", "files": 0, "bytes": 0},
    ]
    assert "The pattern '/srv/**/nothing' of the option exclude keeps nothing" in json.dumps(result["warnings"])


def test_a_secret_is_named_not_shown_and_published_only_when_allowed(image: Master, tree: Path) -> None:
    served = os.readlink(image.vnfs / "current")
    image.inside("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/srv/test/id")
    key = (tree / "srv/test/id").read_text()
    for check in (True, False):
        refused = image.call("vnfs_image", name="debian", _ansible_check_mode=check)
        assert "Cannot publish VNFS 'debian': it holds '/srv/test/id' (private key)" in refused["msg"]
        assert refused["secrets"] == [{"name": "srv/test/id", "kind": "private key"}]
        assert key.splitlines()[1] not in json.dumps(refused)
    assert os.readlink(image.vnfs / "current") == served
    image.do("vnfs", name="debian", allow_secrets=["/srv/test/id"])
    try:
        result = image.do("vnfs_image", name="debian", _ansible_check_mode=True)
        assert result["allowed_secrets"] == [{"name": "srv/test/id", "kind": "private key"}]
    finally:
        image.do("vnfs", name="debian", allow_secrets=[])


def test_a_tree_as_it_was_built_has_no_secret_and_what_is_scrubbed_is_named(image: Master) -> None:
    image.do("vnfs", name="debian", root_password_hash="$y$j9T$salt$hash")  # noqa: S106 - no password has it
    try:
        result = image.do("vnfs_image", name="debian", _ansible_check_mode=True)
    finally:
        image.do("vnfs", name="debian", root_password_hash="")
    assert result["allowed_secrets"] == []
    assert {"etc/machine-id", "etc/ssh/ssh_host_ed25519_key", "etc/shadow-"} <= set(result["scrubbed"])


def test_what_identifies_a_machine_stays_out_of_the_image(image: Master) -> None:
    tree = image.vnfs / "rootfs"
    before = walk_tree(tree).entries
    names = [
        *("etc/ssh/ssh_host_dsa_key", "var/lib/dhcp/dhclient.eth0.leases", "var/lib/dhcpcd/duid", "etc/dhcpcd.duid"),
        *("var/lib/NetworkManager/secret_key", "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret"),
        *("boot/loader/random-seed", "etc/udev/rules.d/70-persistent-net.rules", "root/.ansible/tmp/left"),
        *("var/lib/cloud/instances/i-1/user-data", "etc/iscsi/initiatorname.iscsi", "root/.bash_history"),
    ]
    folders = {str(folder) for name in names for folder in Path(name).parents if not (tree / folder).exists()}
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("of one machine\n")
    try:
        result = image.do("vnfs_image", name="debian")
        in_image = set(listed(image))
    finally:
        for name in names:
            (tree / name).unlink()
        for folder in sorted(folders, reverse=True):
            (tree / folder).rmdir()
    assert in_image.isdisjoint(names)
    for name in names:
        assert any(scrubbed == name or name.startswith(f"{scrubbed}/") for scrubbed in result["scrubbed"])
    assert walk_tree(tree).entries == before


def test_links_are_listed_and_made_relative_on_request(image: Master, tree: Path) -> None:
    (tree / "srv/test/tool").symlink_to("/usr/bin/env")
    (tree / "srv/test/nowhere").symlink_to("/srv/none")
    options = {"name": "debian", "relative": ["/srv/test/**"]}
    listed_only = image.do("vnfs_links", name="debian")
    assert not listed_only["changed"]
    assert {"name": "srv/test/tool", "target": "/usr/bin/env", "kind": "absolute", "relative": None} in listed_only[
        "links"
    ]
    results = [image.do("vnfs_links", **options, _ansible_check_mode=check) for check in (True, False) * 2]
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert [result["diff"]["after"] for result in results[:2]] == ["srv/test/tool -> ../../usr/bin/env\n"] * 2
    assert os.readlink(tree / "srv/test/tool") == "../../usr/bin/env"
    assert os.readlink(tree / "srv/test/nowhere") == "/srv/none"


@pytest.mark.parametrize(
    "name",
    [
        *("etc/resolv.conf", "etc/shadow", "etc/passwd", "etc/group", "etc/hosts", "etc/machine-id", "etc/os-release"),
        *("usr/lib/os-release", "usr/sbin/policy-rc.d", "usr/lib/perceus", "usr/lib/systemd/system/ssh.service.d"),
        *("root/.ssh", "root/.ssh/authorized_keys", "var/lib/dpkg/status", "boot/vmlinuz"),
        *("etc/systemd/system", "usr/lib/dracut/modules.d/90perceus", "etc/ssh/sshd_config.d"),
    ],
)
def test_a_link_out_of_the_tree_leads_nowhere(image: Master, name: str) -> None:
    tree = image.vnfs / "rootfs"
    if name == "boot/vmlinuz":
        name = next(path.relative_to(tree) for path in (tree / "boot").glob("vmlinuz-*")).as_posix()
    trapped, outside = tree / name, image.path(OUTSIDE)
    folder = trapped.is_dir()
    outside.mkdir()
    bait = outside / "bait" if folder else outside / "file"
    bait.write_text(WORD)
    os.utime(bait, ns=(10**9, time.time_ns()))  # older than its last change: a read is noted
    before = look(outside)
    away = trapped.with_name(f"{trapped.name}.away")
    there = os.path.lexists(trapped)
    if there:
        trapped.rename(away)
    trapped.symlink_to(OUTSIDE if folder else f"{OUTSIDE}/file")
    try:
        said = [
            image.call(
                "vnfs",
                **{**RECIPE, "authorized_keys": [*RECIPE["authorized_keys"], f"ssh-ed25519 AAAA {time.time_ns()}"]},
            ),
            image.call("vnfs_command", name="debian", argv=["true"]),
            image.call("vnfs_image", name="debian", _ansible_check_mode=not name.startswith(("boot", "var/lib/dpkg"))),
            image.call("vnfs_info", name="debian", gather=["packages"]),
        ]
    finally:
        subprocess.run(["rm", "-rf", trapped], check=True)
        if there:
            away.rename(trapped)
    after = look(outside)
    subprocess.run(["rm", "-r", outside], check=True)
    image.do("vnfs", **RECIPE)
    assert after == before
    assert WORD not in json.dumps(said)
    assert [result for result in said if "Traceback" in json.dumps(result)] == []


def look(folder: Path) -> list[tuple[object, ...]]:
    """Every file of a folder with its content's last read, last change of any kind, and size."""
    return [
        (path.name, status.st_ino, status.st_atime_ns, status.st_ctime_ns, status.st_size)
        for path in sorted(folder.rglob("*"))
        for status in [path.lstat()]
    ]
