# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``vnfs`` with each source that can be had without a distribution's archive: real dnf, skopeo, umoci, tar.

All trees hold the same few programs of this machine, which are what the module itself runs in one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import walk_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import load_recipe

from .conftest import Master

PROGRAMS = ("bash", "cat", "chpasswd", "cp", "install", "rm", "rpm", "setcap", "tee")
RPM_CONFIGURATION = ("macros", "rpmrc")
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw+ep
NOTHING: dict[str, Any] = {"base_packages": [], "kernel_package": ""}

SPEC = """
Name: {name}
Version: 1
Release: 1
Summary: A test
License: GPL
AutoReqProv: no
{provides}
%description
A test.
%install
cp -a {root}/. %{{buildroot}}/
rm -f %{{buildroot}}/srv/new*
%post
/usr/bin/bash -c 'echo {name} $(test -c /dev/null && test -d /proc/1 && echo furnished) >> /etc/scriptlets'
%files
{files}
"""


@pytest.fixture(scope="session")
def small_tree(tmp_path_factory: pytest.TempPathFactory, tree_at: Any) -> Path:
    """The least root file system that the module can configure, and a few files that are easily spoilt."""
    root = tmp_path_factory.mktemp("sources") / "tree"
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "etc", "root", "srv"):
        (root / folder).mkdir(parents=True)
    for link in ("bin", "sbin", "lib", "lib64"):
        (root / link).symlink_to(f"usr/{link}")
    (root / "usr/sbin").symlink_to("bin")
    for program in PROGRAMS:
        found = shutil.which(program)
        assert found is not None
        tree_at(root).add_program(found)
    (root / "usr/bin/sh").symlink_to("bash")
    for name in RPM_CONFIGURATION:
        (root / "usr/lib/rpm").mkdir(exist_ok=True)
        shutil.copy(f"/usr/lib/rpm/{name}", root / "usr/lib/rpm" / name)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/shadow").write_text("root::1::::::\n")
    (root / "etc/shadow").chmod(0o640)
    (root / "etc/os-release").write_text("ID=test\n")
    (root / "etc/hostname").write_text("master\n")
    spoil(root / "srv")
    return root


def spoil(folder: Path) -> None:
    shutil.copy("/usr/bin/true", folder / "setuid")
    os.chown(folder / "setuid", 12345, 54321)
    (folder / "setuid").chmod(0o6755)
    os.link(folder / "setuid", folder / "twin")
    shutil.copy("/usr/bin/true", folder / "capable")
    os.setxattr(folder / "capable", "security.capability", CAPABILITY)
    os.setxattr(folder / "capable", "user.note", b"\0\xff")
    os.utime(folder / "capable", (1, 1))
    (folder / "link").symlink_to("/etc/shadow")
    (folder / "new\nline").touch()


def assert_whole(folder: Path) -> None:
    """Nothing is lost of what :func:`spoil` made."""
    status = (folder / "setuid").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 54321, 0o6755)
    assert (folder / "twin").stat().st_ino == status.st_ino
    assert os.getxattr(folder / "capable", "security.capability") == CAPABILITY
    assert os.getxattr(folder / "capable", "user.note") == b"\0\xff"
    assert (folder / "capable").stat().st_mtime == 1
    assert os.readlink(folder / "link") == "/etc/shadow"
    assert (folder / "new\nline").exists()


@pytest.fixture
def name(master: Master, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a VNFS that is removed again."""
    name = request.node.originalname.replace("_", "-")[:60]
    yield name
    master.do("vnfs", name=name, state="absent")


def build(master: Master, **options: Any) -> list[dict[str, Any]]:
    """Check, run, check again, run again."""
    results = [
        master.do("vnfs", **options, _ansible_check_mode=check, _ansible_diff=True) for check in (True, False) * 2
    ]
    assert [result["action"] for result in results] == ["build", "build", "none", "none"]
    assert results[0]["diff"] == results[1]["diff"]
    return results


def rootfs(master: Master, name: str) -> Path:
    return master.path(f"/var/lib/perceus/vnfs/{name}/rootfs")


def assert_configured(tree: Path) -> None:
    """The module has left its mark, and nothing of the master's or of the build's."""
    assert (tree / "usr/lib/perceus/report").exists()
    assert (tree / "etc/shadow").read_text().startswith("root:*:")
    assert not (tree / "etc/hostname").exists()
    assert [path.name for path in tree.parent.iterdir() if path.name.startswith(".tmp")] == []


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory, small_tree: Path) -> str:
    """The URL of a repository of RPMs made on the spot: base with the small tree, extra and kernel."""
    work = tmp_path_factory.mktemp("rpm")
    extra, kernel = work / "extra", work / "kernel"
    (extra / "srv").mkdir(parents=True)
    (extra / "srv/extra").write_text("extra")
    (kernel / "usr/lib/modules/9.1").mkdir(parents=True)
    (kernel / "usr/lib/modules/9.1/vmlinuz").write_text("a kernel")
    for name, root in (("base", small_tree), ("extra", extra), ("kernel", kernel)):
        build_rpm(work, name, root)
    subprocess.run(["createrepo_c", "--quiet", work / "repository"], check=True)
    return f"file://{work}/repository"


def build_rpm(work: Path, name: str, root: Path) -> None:
    """Make an RPM of all below ``root`` but what no spec file can name."""
    names = sorted(f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    files = "\n".join(name for name in names if "\n" not in name)
    provides = "Provides: /bin/sh" if (root / "bin/sh").exists() else ""
    spec = work / f"{name}.spec"
    spec.write_text(SPEC.format(name=name, root=root, files=files, provides=provides))
    defines = {
        "_topdir": work / "build",
        "_rpmdir": work / "repository",
        "__os_install_post": "%{nil}",
        "debug_package": "%{nil}",
    }
    words = [word for key, value in defines.items() for word in ("--define", f"{key} {value}")]
    subprocess.run(["rpmbuild", "-bb", "--quiet", *words, spec], check=True)


@pytest.fixture
def extra_source(tmp_path: Path) -> str:
    """A line of sources.list(5) for an archive with one package, ``extra``."""
    archive, package = tmp_path / "archive", tmp_path / "package"
    (package / "DEBIAN").mkdir(parents=True)
    control = "Package: extra\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: x\n"
    (package / "DEBIAN/control").write_text(control)
    (package / "srv").mkdir()
    (package / "srv/extra").write_text("extra")
    archive.mkdir()
    deb = archive / "extra.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", package, deb], check=True, capture_output=True)
    content = deb.read_bytes()
    facts = f"Filename: ./extra.deb\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    (archive / "Packages").write_text(control + facts)
    return f"deb [trusted=yes] copy:{archive} ./"


def test_mmdebstrap_with_hooks_and_another_archive(master: Master, name: str, extra_source: str) -> None:
    keyring = "/var/lib/perceus/keyring.gpg"  # where apt may look, which is not root when it does
    shutil.copy("/usr/share/keyrings/debian-archive-keyring.gpg", master.path(keyring))
    source = {
        "variant": "apt",
        "keyring": keyring,
        "extra_sources": [extra_source],
        "setup_hooks": ['mkdir -p "$1/srv" && echo setup >> "$1/srv/hooks"'],
        "customize_hooks": ['cat "$1/srv/extra" >> "$1/srv/hooks"'],
    }
    master.do("vnfs", name=name, mmdebstrap=source, base_packages=["extra"], kernel_package="")
    tree = rootfs(master, name)
    assert_configured(tree)
    assert (tree / "srv/hooks").read_text() == "setup\nextra"
    assert (tree / keyring[1:]).read_bytes() == master.path(keyring).read_bytes()
    assert f"signed-by={keyring}" in (tree / "etc/apt/sources.list").read_text()
    assert extra_source in (tree / "etc/apt/sources.list").read_text()


def test_dnf_and_the_same_twice(master: Master, repository: str, name: str) -> None:
    source = {"release": "9", "repositories": [{"name": "local", "baseurl": repository, "gpgcheck": False}]}
    recipe: dict[str, Any] = {"name": name, "dnf": source, "base_packages": ["base"], "source_date_epoch": 1700000000}
    build(master, **recipe)
    tree = rootfs(master, name)
    assert_configured(tree)
    assert (tree / "etc/scriptlets").read_text() == "base furnished\nkernel furnished\n"
    modes = {name: stat.S_IMODE((tree / name).stat().st_mode) for name in ("dev", "proc", "run", "sys", "tmp")}
    assert modes == {"dev": 0o755, "proc": 0o555, "run": 0o755, "sys": 0o555, "tmp": 0o1777}
    assert list((tree / "dev").iterdir()) == []
    before = walk_tree(tree).entries
    master.do("vnfs", **recipe, state="rebuilt")
    assert walk_tree(tree).entries == before
    assert master.do("vnfs", **recipe, packages=["extra"])["action"] == "update"
    assert (tree / "srv/extra").read_text() == "extra"
    query = ("rpm", "--dbpath", "/var/lib/rpm", "-qa", "--qf", "%{NAME} ")
    assert set(master.do("vnfs_command", name=name, argv=list(query))["stdout"].split()) == {"base", "extra", "kernel"}


def test_dnf_installs_what_was_signed_and_nothing_else(
    master: Master, repository: str, name: str, tmp_path: Path
) -> None:
    home, key = tmp_path / "gnupg", tmp_path / "key"
    home.mkdir(mode=0o700)
    gpg = ["gpg", f"--homedir={home}", "--batch", "--quiet"]
    try:
        subprocess.run([*gpg, "--passphrase=", "--quick-generate-key", "signer", "rsa2048"], check=True)
        subprocess.run([*gpg, "--armor", f"--output={key}", "--export", "signer"], check=True)
        signed = tmp_path / "repository"
        shutil.copytree(repository.removeprefix("file://"), signed)
        local = {"name": "local", "baseurl": f"file://{signed}", "gpgkey": f"file://{key}"}
        recipe = {"name": name, "dnf": {"release": "9", "repositories": [local]}, "base_packages": ["base"]}
        assert "'dnf'" in master.call("vnfs", **recipe)["msg"]
        assert not rootfs(master, name).exists()
        macros = ("--define", "__gpg /usr/bin/gpg", "--define", "_gpg_name signer", "--define", f"_gpg_path {home}")
        subprocess.run(["rpmsign", *macros, "--addsign", *signed.rglob("*.rpm")], check=True, capture_output=True)
        subprocess.run(["createrepo_c", "--quiet", signed], check=True)
        master.do("vnfs", **recipe)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
    assert_configured(rootfs(master, name))


def test_a_tree_that_no_node_could_boot_is_not_published(master: Master, repository: str, name: str) -> None:
    source = {"release": "9", "repositories": [{"name": "local", "baseurl": repository, "gpgcheck": False}]}
    master.do("vnfs", name=name, dnf=source, base_packages=["base"])
    result = master.call("vnfs_image", name=name, _ansible_check_mode=True)
    assert f"Cannot publish VNFS {name!r}: its tree has no systemctl, dracut, sshd, curl, zstd, tar" in result["msg"]
    assert result["missing"] == ["systemd", "dracut", "openssh-server", "curl", "zstd", "tar"]


@pytest.fixture(scope="session")
def container(tmp_path_factory: pytest.TempPathFactory, small_tree: Path) -> dict[str, str]:
    """An image in a folder: the small tree, and a second layer that takes the host name away."""
    layout = tmp_path_factory.mktemp("oci") / "layout"
    for argv in (
        ("umoci", "init", "--layout", layout),
        ("umoci", "new", "--image", f"{layout}:one"),
        ("umoci", "insert", "--image", f"{layout}:one", small_tree, "/"),
        ("umoci", "insert", "--image", f"{layout}:one", "--whiteout", "/usr/bin/cat"),
    ):
        subprocess.run(argv, check=True)
    image = f"oci:{layout}:one"
    inspect = ["skopeo", "inspect", "--format", "{{.Digest}}", image]
    digest = subprocess.run(inspect, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return {"image": image, "digest": digest}


def test_oci(master: Master, container: dict[str, str], name: str) -> None:
    build(master, name=name, oci=container, **NOTHING)
    tree = rootfs(master, name)
    assert_configured(tree)
    assert_whole(tree / "srv")
    assert not (tree / "usr/bin/cat").exists()
    assert os.readlink(tree / "bin") == "usr/bin"


def test_an_image_that_is_not_the_one_is_refused(master: Master, container: dict[str, str], name: str) -> None:
    result = master.call("vnfs", name=name, oci={**container, "digest": "sha256:" + "0" * 64}, **NOTHING)
    assert f"its digest is {container['digest']}, not sha256:000" in result["msg"]
    assert not rootfs(master, name).exists()


@pytest.mark.parametrize("compression", ["", "--zstd"])
def test_archive(master: Master, small_tree: Path, name: str, tmp_path: Path, compression: str) -> None:
    file = tmp_path / "tree.tar"
    words = [word for word in ("--xattrs", "--xattrs-include=*", "--numeric-owner", compression) if word]
    subprocess.run(["tar", "-C", small_tree, *words, "-cf", file, "."], check=True)
    checksum = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    result = build(master, name=name, archive={"file": str(file), "checksum": checksum}, **NOTHING)[1]
    assert "warnings" not in result
    assert_configured(rootfs(master, name))
    assert_whole(rootfs(master, name) / "srv")


def test_an_archive_that_nobody_vouches_for(master: Master, small_tree: Path, name: str, tmp_path: Path) -> None:
    file = tmp_path / "tree.tar"
    subprocess.run(["tar", "-C", small_tree, "-cf", file, "."], check=True)
    archive = {"file": str(file)}
    wrong = master.call("vnfs", name=name, archive={**archive, "checksum": "sha256:" + "0" * 64})
    assert "Cannot trust" in wrong["msg"]
    assert "no checksum is given" in master.call("vnfs", name=name, archive=archive)["msg"]
    assert not rootfs(master, name).exists()
    results = build(master, name=name, archive={**archive, "unverified": True})
    assert ["Nobody vouches" in str(result.get("warnings")) for result in results] == [True, True, False, False]
    assert "unverified: true" in (rootfs(master, name).parent / "vnfs.yml").read_text()


def test_folder(master: Master, small_tree: Path, name: str) -> None:
    build(master, name=name, folder={"root": str(small_tree)})
    assert_configured(rootfs(master, name))
    assert_whole(rootfs(master, name) / "srv")
    assert (small_tree / "etc/hostname").read_text() == "master\n"


def test_what_is_mounted_in_a_folder_is_not_copied(master: Master, small_tree: Path, name: str) -> None:
    point = master.path(str(small_tree / "srv"))
    master.run("mount", "--bind", "/etc", str(small_tree / "srv"))
    try:
        result = master.call("vnfs", name=name, folder={"root": str(small_tree)})
    finally:
        master.run("umount", str(small_tree / "srv"))
    assert point.exists()
    assert result["msg"].startswith(f"Cannot copy {str(small_tree)!r}: mounted there is")
    assert not rootfs(master, name).exists()


@pytest.mark.parametrize(("root", "reason"), [("/nonexistent", "no such folder"), ("/var/lib", "the store is in it")])
def test_a_folder_that_cannot_be_copied(master: Master, name: str, root: str, reason: str) -> None:
    assert reason in master.call("vnfs", name=name, folder={"root": root})["msg"]


def test_packages_for_a_tree_without_a_package_manager(master: Master, small_tree: Path, name: str) -> None:
    result = master.call("vnfs", name=name, folder={"root": str(small_tree)}, packages=["sudo"])
    assert result["msg"].startswith("Cannot install sudo: the tree has neither dpkg's nor rpm's database")
    assert not rootfs(master, name).exists()


def test_clone(master: Master, small_tree: Path, name: str) -> None:
    master.do("vnfs", name="original", folder={"root": str(small_tree)}, kernel_args="quiet", keep=7)
    try:
        shutil.copy("/usr/bin/true", rootfs(master, "original") / "srv/later")
        build(master, name=name, clone={"vnfs": "original"}, keep=5)
        assert_configured(rootfs(master, name))
        assert_whole(rootfs(master, name) / "srv")
        assert (rootfs(master, name) / "srv/later").exists()
        recipe = load_recipe(rootfs(master, name).parent / "vnfs.yml")
        assert recipe is not None
        assert (recipe.options.kernel_args, recipe.options.keep) == ("quiet", 5)
    finally:
        master.do("vnfs", name="original", state="absent")


def test_a_vnfs_that_cannot_be_cloned(master: Master, name: str) -> None:
    assert "has no rootfs" in master.call("vnfs", name=name, clone={"vnfs": "nothing"})["msg"]
    assert not rootfs(master, name).parent.exists()
