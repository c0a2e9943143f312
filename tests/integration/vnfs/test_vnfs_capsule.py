# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``vnfs_capsule``: what goes into a capsule comes out of it, and a hostile one comes to nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.archive import open_archive
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import walk_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.capsule import Capsule
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.oci import Oci
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.order import Order
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

from tests.zoo import describe

from .conftest import CAPSULES, Master, import_options

INVENTORY = (
    "perceus_master: {hosts: {localhost: {ansible_connection: local, ansible_python_interpreter: /usr/bin/python3}}}"
)


def test_a_tree_is_exported_once(zoo: Master, exports: list[dict[str, Any]]) -> None:
    assert [(result["action"], result["changed"]) for result in exports] == [
        ("export", True),
        ("export", True),
        ("none", False),
        ("none", False),
    ]
    assert exports[0]["checksum"] is None
    assert exports[1]["checksum"] == exports[3]["checksum"]
    capsule = zoo.path(exports[1]["capsule"])
    assert capsule.name == f"zoo-{exports[1]['generation']}.vnfs"
    assert sorted(path.name for path in capsule.parent.iterdir()) == [capsule.name, f"{capsule.name}.sha256"]
    assert stat.S_IMODE(capsule.stat().st_mode) == 0o600
    subprocess.run(["sha256sum", "--check", "--quiet", f"{capsule.name}.sha256"], cwd=capsule.parent, check=True)


def test_what_is_exported_is_what_is_imported(zoo: Master, exported: dict[str, Any], copy: str) -> None:
    options = import_options(exported, name=copy)
    results = [zoo.do("vnfs_capsule", **options, _ansible_check_mode=check) for check in (True, False) * 2]
    assert [(result["action"], result["changed"]) for result in results] == [
        ("import", True),
        ("import", True),
        ("none", False),
        ("none", False),
    ]
    before, after = (zoo.path(f"/var/lib/perceus/vnfs/{name}/rootfs") for name in ("zoo", copy))
    assert walk_tree(after).render() == walk_tree(before).render()
    assert describe(after / "srv/matrix") == describe(before / "srv/matrix")
    assert (after / "srv/zoo/sparse").stat().st_blocks == (before / "srv/zoo/sparse").stat().st_blocks < 100
    acls = [
        subprocess.run(
            ["getfacl", "--numeric", "old", "folder", "folder/file"], cwd=tree / "srv/zoo", check=True, stdout=PIPE
        )
        for tree in (before, after)
    ]
    assert acls[0].stdout == acls[1].stdout
    assert b"user:1234:rwx" in acls[1].stdout
    published = zoo.do("vnfs_image", name=copy, _ansible_check_mode=True)["generation"]
    assert published == exported["generation"]


def test_what_is_a_masters_own_stays_with_it(zoo: Master, exported: dict[str, Any], copy: str) -> None:
    zoo.do("vnfs_capsule", **import_options(exported, name=copy))
    names = subprocess.run(
        ["tar", "--list", "--zstd", "--file", zoo.path(exported["capsule"])],
        check=True,
        stdout=PIPE,
        text=True,
    ).stdout.splitlines()
    assert names[:2] == ["capsule.json", "manifest.json"]
    assert not [name for name in names if name.startswith(("rootfs/etc/ssh/ssh_host_", "rootfs/tmp/left"))]
    header = json.loads(
        zoo.run("tar", "--extract", "--to-stdout", "--zstd", "--file", exported["capsule"], "capsule.json")
    )
    assert header["generation"] == exported["generation"]
    recipe = zoo.path(f"/var/lib/perceus/vnfs/{copy}/vnfs.yml").read_text()
    for text in (recipe, json.dumps(header)):
        assert "$y$" not in text
        assert "ssh-ed25519" not in text
    assert "kernel_args: quiet" in recipe
    assert "type: capsule" in recipe
    assert "allow_secrets: []" in recipe


def test_playbooks_carry_it_from_one_name_to_another(zoo: Master, copy: str, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY)

    def play(book: str, *options: str, **variables: Any) -> str:
        variables["ansible_become"] = False
        argv = ("ansible-playbook", "-i", str(inventory), f"perceus.cluster.{book}", "-e", json.dumps(variables))
        return zoo.run(*argv, *options)

    said = play("vnfs_export", vnfs="zoo", folder="/var/lib/perceus/elsewhere")
    (checksum,) = re.findall("sha256:[0-9a-f]{64}", said)
    (capsule,) = re.findall(r"/var/lib/perceus/elsewhere/zoo-[0-9a-f]{16}\.vnfs", said)
    variables = {"vnfs": copy, "capsule": f"file://{capsule}", "checksum": checksum}
    assert "failed=0" in play("vnfs_import", "--check", **variables)
    assert re.search("changed=[23] ", play("vnfs_import", **variables))
    assert "changed=0 " in play("vnfs_import", **variables)
    assert "changed=0 " in play("vnfs_import", **{**variables, "capsule": capsule})
    recipe = zoo.path(f"/var/lib/perceus/vnfs/{copy}/vnfs.yml").read_text()
    assert f"file: {CAPSULES}/fetched/{Path(capsule).name}" in recipe


def test_a_vnfs_is_replaced_only_by_force(zoo: Master, exported: dict[str, Any], copy: str) -> None:
    zoo.do("vnfs_capsule", **import_options(exported, name=copy))
    tree = zoo.path(f"/var/lib/perceus/vnfs/{copy}/rootfs")
    (tree / "changed").touch()
    refused = zoo.call("vnfs_capsule", **import_options(exported, name="zoo"))
    assert "Cannot import into VNFS 'zoo': it is there already" in refused["msg"]
    zoo.run("mount", "--bind", "/etc", f"/var/lib/perceus/vnfs/{copy}/rootfs/srv")
    try:
        refused = zoo.call("vnfs_capsule", **import_options(exported, name=copy, force=True))
    finally:
        zoo.run("umount", f"/var/lib/perceus/vnfs/{copy}/rootfs/srv")
    assert re.search("Cannot replace .*: mounted there is", refused["msg"])
    assert (tree / "changed").exists()
    assert zoo.do("vnfs_capsule", **import_options(exported, name=copy, force=True))["action"] == "replace"
    assert not (tree / "changed").exists()


def test_what_is_not_published_is_not_exported(zoo: Master) -> None:
    file = zoo.path("/var/lib/perceus/vnfs/zoo/rootfs/etc/munge/munge.key")
    file.parent.mkdir()
    file.write_bytes(b"0123")
    try:
        result = zoo.call("vnfs_capsule", name="zoo", state="exported")
    finally:
        file.unlink()
        file.parent.rmdir()
    assert "/etc/munge/munge.key" in result["msg"].replace("'", "")
    assert "munge key" in result["msg"]


def test_a_full_disk_is_named_and_nothing_is_left(zoo: Master) -> None:
    zoo.run("sh", "-c", "mkdir /var/lib/perceus/full && mount -t tmpfs -o size=16k full /var/lib/perceus/full")
    try:
        result = zoo.call("vnfs_capsule", name="zoo", state="exported", folder="/var/lib/perceus/full")
        assert list(zoo.path("/var/lib/perceus/full").iterdir()) == []
    finally:
        zoo.run("sh", "-c", "umount /var/lib/perceus/full && rmdir /var/lib/perceus/full")
    assert "no space in" in result["msg"]


def test_an_oci_image_holds_everything_and_is_the_same_each_time(zoo: Master, tmp_path: Path) -> None:
    """But holes, of which OCI knows nothing; a VNFS is built from it again."""
    options = {"name": "zoo", "state": "exported", "format": "oci", "folder": "/var/lib/perceus/oci"}
    results = [zoo.do("vnfs_capsule", **options, _ansible_check_mode=check) for check in (True, False) * 2]
    assert [(result["action"], result["changed"]) for result in results] == [("export", True)] * 2 + [
        ("none", False)
    ] * 2
    layout, digest = results[1]["capsule"], results[1]["checksum"]
    image = f"{layout}:{results[1]['generation']}"
    assert zoo.run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{image}") == f"{digest}\n"
    shutil.copytree(zoo.path(layout), tmp_path / "layout")
    source = Oci(f"oci:{tmp_path}/layout:{results[1]['generation']}", digest)
    source.make_tree(tmp_path / "tree", Order(Vnfs(tmp_path), (), None, CommandRunner(), Phases()))
    assert walk_tree(tmp_path / "tree").render() == walk_tree(zoo.path("/var/lib/perceus/vnfs/zoo/rootfs")).render()

    pushing = {**options, "push": "oci:/var/lib/perceus/oci/registry:latest"}
    results = [zoo.do("vnfs_capsule", **pushing, _ansible_check_mode=check) for check in (True, False) * 2]
    assert [result["action"] for result in results] == ["push", "push", "none", "none"]
    assert zoo.run("skopeo", "inspect", "--format", "{{.Digest}}", pushing["push"]) == f"{digest}\n"

    blob = next(zoo.path(f"{layout}/blobs/sha256").iterdir())
    blob.write_bytes(blob.read_bytes()[:-1])
    again = zoo.do("vnfs_capsule", **options)
    assert (again["action"], again["checksum"]) == ("export", digest)
    assert [path.name for path in zoo.path("/var/lib/perceus/oci").glob(".*")] == []


@pytest.fixture(scope="module")
def served(image: Master) -> Iterator[dict[str, Any]]:
    """The result of exporting the generation that is served, of a VNFS that boots."""
    generation = os.readlink(image.vnfs / "current").removeprefix("images/")
    options = {"name": "debian", "state": "exported", "generation": generation}
    exported = image.do("vnfs_capsule", **options)
    assert exported["generation"] == generation
    assert image.do("vnfs_capsule", **options, _ansible_check_mode=True)["action"] == "none"
    yield exported
    image.path(exported["capsule"]).unlink()


def test_an_import_that_is_killed_leaves_no_vnfs(image: Master, served: dict[str, Any], copy: str) -> None:
    vnfs = image.path(f"/var/lib/perceus/vnfs/{copy}")
    process = image.start("vnfs_capsule", **import_options(served, name=copy))
    while not list(vnfs.glob(".tmp.*/rootfs/usr")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert [path.name for path in vnfs.glob("[!.]*")] == []
    assert image.do("vnfs_capsule", **import_options(served, name=copy))["action"] == "import"
    assert sorted(path.name for path in vnfs.iterdir()) == ["overrides.json", "rootfs", "vnfs.yml"]


def test_a_published_generation_comes_back_as_the_same(image: Master, served: dict[str, Any], copy: str) -> None:
    image.do("vnfs_capsule", **import_options(served, name=copy))
    assert image.do("vnfs_image", name=copy, _ansible_check_mode=True)["generation"] == served["generation"]


def test_a_vnfs_is_built_from_a_capsule(zoo: Master, exported: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "capsule"
    file.write_bytes(zoo.path(exported["capsule"]).read_bytes())
    order = Order(Vnfs(tmp_path), (), None, CommandRunner(), Phases())
    Capsule(str(file), exported["checksum"]).make_tree(tmp_path / "rootfs", order)
    assert walk_tree(tmp_path / "rootfs").render() == walk_tree(zoo.path("/var/lib/perceus/vnfs/zoo/rootfs")).render()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capsule", "rootfs"]


def test_tar_reaches_nothing_outside_whatever_it_unpacks(tmp_path: Path) -> None:
    """Also not through a link that is in its way, which it follows."""
    for folder in ("outside", "target", "packed/link"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "target/link").symlink_to(tmp_path / "outside")
    (tmp_path / "packed/link/member").touch()
    file, packed = tmp_path / "archive", tmp_path / "packed"
    subprocess.run(["tar", "--create", "--file", str(file), "-C", str(packed), "link/member"], check=True)
    with open_archive(file) as archive, pytest.raises(PerceusError, match=r"Cannot unpack .*link/member: Cannot open"):
        archive.unpack(tmp_path / "target")
    assert list((tmp_path / "outside").iterdir()) == []
    subprocess.run(["tar", "--extract", "--file", str(file), "-C", str(tmp_path / "target")], check=True)
    assert list((tmp_path / "outside").iterdir()) == [tmp_path / "outside/member"]


def test_nobody_is_trusted_in_silence(zoo: Master, exported: dict[str, Any], copy: str) -> None:
    options = {"name": copy, "state": "imported", "source": exported["capsule"]}
    assert "no checksum is given" in zoo.call("vnfs_capsule", **options)["msg"]
    wrong = zoo.call("vnfs_capsule", **options, checksum=f"sha256:{'0' * 64}")
    assert f"its checksum is {exported['checksum']}, not sha256:000" in wrong["msg"]
    assert not zoo.path(f"/var/lib/perceus/vnfs/{copy}").exists()
    result = zoo.do("vnfs_capsule", **options, unverified=True)
    assert f"Nobody vouched for {exported['capsule']}: it was imported unverified" in json.dumps(result["warnings"])
    recipe = zoo.path(f"/var/lib/perceus/vnfs/{copy}/vnfs.yml").read_text()
    assert "unverified: true" in recipe
    assert exported["checksum"] in recipe
