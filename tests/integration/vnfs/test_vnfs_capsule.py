# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``vnfs_capsule``: what goes into a capsule comes out of it, and a hostile one comes to nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.archive import open_archive
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.manifest import walk_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.capsule import Capsule
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.order import Order
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

from .conftest import Master

INVENTORY = (
    "perceus_master: {hosts: {localhost: {ansible_connection: local, ansible_python_interpreter: /usr/bin/python3}}}"
)
FOLDER = "/var/lib/perceus/capsules"
Forge = Callable[..., Path]


def state(master: Master) -> dict[str, Any]:
    """All files of the master that an import might touch, and the host's mounts."""
    outside = {
        str(path): (status.st_ino, status.st_ctime_ns)
        for path in master.path("/var/lib/perceus").rglob("*")
        if FOLDER not in str(path) and not re.fullmatch(r"\..*\.lock", path.name)
        for status in [path.lstat()]
        if not stat.S_ISDIR(status.st_mode)
    }
    return {"files": outside, "mounts": Path(f"/proc/{master.pid}/mountinfo").read_text()}


@pytest.fixture(scope="module")
def exports(zoo: Master) -> list[dict[str, Any]]:
    """The results of exporting: check, run, check again, run again."""
    return [
        zoo.do("vnfs_capsule", name="zoo", state="exported", _ansible_check_mode=check) for check in (True, False) * 2
    ]


@pytest.fixture(scope="module")
def exported(exports: list[dict[str, Any]]) -> dict[str, Any]:
    return exports[1]


@pytest.fixture
def copy(zoo: Master) -> Iterator[str]:
    """The name of a VNFS that is removed afterwards."""
    yield "copy"
    zoo.do("vnfs", name="copy", state="absent")


def import_options(exported: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"state": "imported", "source": exported["capsule"], "checksum": exported["checksum"], **options}


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
    assert f"file: {FOLDER}/fetched/{Path(capsule).name}" in recipe


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
    assert "No space left on device" in result["msg"]


def test_an_oci_image_holds_everything_and_is_the_same_each_time(zoo: Master) -> None:
    """But holes, of which OCI knows nothing."""
    options = {"name": "zoo", "state": "exported", "format": "oci", "folder": "/var/lib/perceus/oci"}
    results = [zoo.do("vnfs_capsule", **options, _ansible_check_mode=check) for check in (True, False) * 2]
    assert [(result["action"], result["changed"]) for result in results] == [("export", True)] * 2 + [
        ("none", False)
    ] * 2
    layout, digest = results[1]["capsule"], results[1]["checksum"]
    image = f"{layout}:{results[1]['generation']}"
    assert zoo.run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{image}") == f"{digest}\n"
    zoo.run("umoci", "raw", "unpack", "--image", image, "/var/lib/perceus/oci/tree")
    trees = [walk_tree(zoo.path(tree)) for tree in ("/var/lib/perceus/vnfs/zoo/rootfs", "/var/lib/perceus/oci/tree")]
    assert trees[0].render() == trees[1].render()

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
    assert sorted(path.name for path in vnfs.iterdir()) == ["rootfs", "vnfs.yml"]


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
        archive.unpack(tmp_path / "target", runner=CommandRunner())
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


@pytest.fixture
def forge(zoo: Master, tmp_path: Path) -> Iterator[Forge]:
    """Make a capsule of these members and put it on the master; its own parts are such as to be believed."""
    file = zoo.path(f"{FOLDER}/forged.vnfs")
    file.parent.mkdir(exist_ok=True)
    zoo.path("/var/lib/perceus/bait").write_text("untouched")

    def make(*members: dict[str, Any], entries: str = "", **header: Any) -> Path:
        parts = {"manifest": hashlib.sha256(entries.encode()).hexdigest(), "files": 10, "bytes": 1000, **header}
        parts = {"format": "perceus-capsule", "version": 1, "vnfs": "x", "generation": "0" * 16, "created": "", **parts}
        parts.setdefault("recipe", {"node_files": "0" * 64})
        texts = {"capsule.json": json.dumps(parts), "manifest.json": entries}
        plain = tmp_path / "forged.tar"
        with tarfile.open(plain, "w") as tar:
            for name, text in texts.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
            for fields in members:
                info = tarfile.TarInfo()
                for name, value in fields.items():
                    setattr(info, name, value)
                tar.addfile(info, io.BytesIO(bytes(info.size)))
        subprocess.run(["zstd", "--quiet", "--force", plain, "-o", file], check=True)
        return file

    yield make
    file.unlink(missing_ok=True)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> dict[str, Any]:
    return {"name": f"rootfs/{name}", "type": kind, "linkname": target}


def refuse(master: Master, **options: Any) -> dict[str, Any]:
    """Import the forged capsule, see that nothing came of it, and return the result."""
    before = state(master)
    options = {"state": "imported", "source": f"{FOLDER}/forged.vnfs", "unverified": True, "name": "copy", **options}
    result = master.call("vnfs_capsule", **options)
    assert result["failed"]
    assert "Traceback" not in json.dumps(result)
    assert state(master) == before
    assert not master.path("/var/lib/perceus/vnfs/copy").exists()
    return result


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ([{"name": "rootfs/../../../bait"}], "'rootfs/../../../bait' leads out of the folder"),
        ([{"name": "/var/lib/perceus/bait"}], "'/var/lib/perceus/bait' leads out of the folder"),
        ([link("a", "/var/lib/perceus"), {"name": "rootfs/a/bait"}], "'rootfs/a/bait' is below 'rootfs/a'"),
        ([link("a", "/var/lib/perceus/bait", tarfile.LNKTYPE)], "'rootfs/a' links to '/var/lib/perceus/bait'"),
        ([link("a", "rootfs/unknown", tarfile.LNKTYPE)], "'rootfs/a' is a hard link to 'rootfs/unknown'"),
        ([{"name": "rootfs/disk", "type": tarfile.BLKTYPE, "devmajor": 8}], "'rootfs/disk' is a device"),
        ([{"name": "rootfs/a"}, {"name": "rootfs/a"}], "'rootfs/a' is there twice"),
        ([{"name": "other/a"}], "'other/a' is no part of a capsule"),
        ([{"name": "manifest.json"}], "'manifest.json' is there twice"),
        ([{"name": f"rootfs/{number}"} for number in range(100_000)], "'rootfs/10' makes it 11 files, and its header"),
        (
            [{"name": "rootfs/bomb", "size": 50_000_000}],
            "'rootfs/bomb' makes it 50000000 bytes, and its header says 1000",
        ),
    ],
)
def test_a_hostile_member_is_named_and_nothing_is_unpacked(
    zoo: Master, forge: Forge, members: list[dict[str, Any]], named: str
) -> None:
    forge(*members)
    assert named in refuse(zoo)["msg"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (
            {"bytes": 2**50},
            r"it holds 1125899906842624 bytes in 10 files, and there is room for \d+ bytes and \d+ files",
        ),
        ({"files": 2**50}, r"it holds 1000 bytes in 1125899906842624 files, and there is room for"),
        ({"format": "zip"}, "its capsule.json is not one"),
        ({"version": 2}, "it is of version 2, and 1 is known here"),
        ({"manifest": "0" * 64}, "its manifest.json is not the one of its capsule.json"),
        ({"recipe": {"node_files": "../x"}}, "Cannot use '../x' as node files' digest"),
        ({"recipe": {"includes": 1, "evil": 1}}, "is no part of it"),
    ],
)
def test_a_header_is_not_believed(zoo: Master, forge: Forge, header: dict[str, Any], reason: str) -> None:
    forge({"name": "rootfs", "type": tarfile.DIRTYPE}, **header)
    assert re.search(reason, refuse(zoo)["msg"])


def test_a_file_that_is_not_what_the_manifest_says_is_named(zoo: Master, forge: Forge) -> None:
    wanted = {"name": "file", "kind": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 3}
    entries = json.dumps({"format": "perceus-manifest", "version": 1, "entries": [wanted]})
    forge({"name": "rootfs", "type": tarfile.DIRTYPE}, {"name": "rootfs/file", "size": 3}, entries=entries)
    assert "is not what its manifest says" in refuse(zoo)["msg"]


def damage(file: Path, how: str) -> None:
    whole = file.read_bytes()
    middle = len(whole) // 2
    contents = {
        "cut short": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "empty": b"",
        "no archive": b"words\n" * 1000,
    }
    file.write_bytes(contents[how])


@pytest.mark.parametrize("how", ["cut short", "flipped", "empty", "no archive"])
def test_a_damaged_capsule_is_refused_and_a_whole_one_is_imported_afterwards(
    zoo: Master, exported: dict[str, Any], copy: str, forge: Forge, how: str
) -> None:
    forged = forge()
    forged.write_bytes(zoo.path(exported["capsule"]).read_bytes())
    damage(forged, how)
    assert "Cannot trust" in refuse(zoo, checksum=exported["checksum"])["msg"] or how == "empty"
    assert re.search("damaged|is empty", refuse(zoo)["msg"])
    assert zoo.do("vnfs_capsule", **import_options(exported, name=copy))["action"] == "import"


@pytest.mark.parametrize("what", ["content", "mode", "attribute", "list", "missing", "added"])
def test_a_capsule_that_was_packed_again_with_a_change_is_refused_by_name(
    zoo: Master, exported: dict[str, Any], forge: Forge, tmp_path: Path, what: str
) -> None:
    preserving = ["--xattrs", "--xattrs-include=*", "--numeric-owner"]
    subprocess.run(
        ["tar", "-x", "--zstd", *preserving, "-f", zoo.path(exported["capsule"]), "-C", tmp_path], check=True
    )
    file = tmp_path / "rootfs/srv/zoo/capable"
    if what == "content":
        times = file.stat()
        file.write_bytes(file.read_bytes()[:-1] + b"!")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif what == "mode":
        file.chmod(0o4755)
    elif what == "attribute":
        os.removexattr(file, "security.capability")
    elif what == "list":
        file = file.with_name("old")
        os.removexattr(file, "system.posix_acl_access")
    elif what == "missing":
        file.unlink()
    else:
        file = file.with_name("added")
        file.touch()
        (tmp_path / "rootfs/srv/zoo/half").unlink()  # so that there are no more files than were declared
    subprocess.run(
        ["tar", "-c", "--zstd", *preserving, "-f", forge(), "-C", tmp_path, "capsule.json", "manifest.json", "rootfs"],
        check=True,
    )
    assert refuse(zoo)["member"] in (f"srv/zoo/{file.name}", "srv/zoo/half")
