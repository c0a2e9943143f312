# SPDX-License-Identifier: GPL-3.0-or-later
"""A master in a mount namespace: the real paths, on memory of its own, gone with the process that holds them.

One capsule is built there by the module ``vnfs`` and shared by all tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.lookup.master_code import write_archive
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import walk_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import Recipe, save_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

from tests.modules import Modules
from tests.zoo import plant

from .small import Small, furnish

NAP = f"1000.{os.getpid()}"  # seconds; no other sleep(1) on this machine has them
MORTAL = ("setpriv", "--pdeathsig", "KILL")
SET_UP = """
set -e
mount -t tmpfs tmpfs /mnt
for folder in /var/lib /usr/local; do
    mkdir -p "/mnt$folder/upper" "/mnt$folder/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=/mnt$folder/upper,workdir=/mnt$folder/work" overlay "$folder"
done
mkdir -p /var/lib/perceus /usr/local/lib/perceus /run/perceus
mount -t tmpfs -o mode=0755 tmpfs /run/perceus
mount -t tmpfs -o mode=0755 tmpfs /var/lib/perceus
mkdir /var/lib/perceus/vnfs
cp -R "$1"/node "$1"/sandbox "$2" /usr/local/lib/perceus/
cp "$1"/vnfs-shell /usr/local/sbin/
echo ready
exec sleep infinity
"""
# As Ansible runs a module, less its packing: the process is the module's own and can be killed by its number.
CALL = """
import importlib, json, sys
from ansible.module_utils.testing import patch_module_args
module = importlib.import_module("ansible_collections.perceus.cluster.plugins.modules." + sys.argv[1])
with patch_module_args(json.loads(sys.argv[2])):
    module.main()
"""
RECIPE: dict[str, Any] = {
    "name": "debian",
    "kernel_package": "linux-image-cloud-amd64",
    "packages": ["iputils-ping", "libcap2-bin", "sudo"],
    "source_date_epoch": 1_700_000_000,
    "authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7fK0JkYg0r6pSfnDdWq0kz3pJX9Xb1hYx2m3n4o5p6 master"],
}
CAPSULES = "/var/lib/perceus/capsules"
ZOO = r"""
set -e
install -d boot etc/ssh tmp srv/zoo usr/bin usr/lib/perceus
cp /usr/bin/setfacl usr/bin
(cd usr/bin && touch systemctl dracut sshd curl zstd tar ../lib/perceus/restore-acls)
touch boot/vmlinuz-6.1.0-1-amd64 etc/ssh/ssh_host_rsa_key tmp/left
echo 0123456789abcdef0123456789abcdef > etc/machine-id
cd srv/zoo
cp /bin/true setuid && chown 12345:54321 setuid && chmod 6755 setuid
cp /bin/true capable && setcap cap_net_raw+ep capable
ln setuid twin
ln -s /etc/shadow link
ln link link-twin
mkfifo fifo
mkdir sticky folder && chmod 1777 sticky && chmod 2750 folder && chown 3:4 folder
truncate --size 10M sparse && echo end >> sparse
touch -- "$(printf 'new\nline')" 'schön' "$(printf 'latin\344')" '#hash' ' space ' -dash "$(printf '%0255d' 0)"
mkdir -p "$(printf '%0200d' 1)/$(printf '%0200d' 2)" && touch "$(printf '%0200d' 1)/$(printf '%0200d' 2)/file"
touch --date=@1 old && touch --date=@1.5 half && touch --date='2100-01-01' future
setfacl --modify user:1234:rwx,group:daemon:r old
setfacl --default --modify user:1234:rwx folder && touch folder/file && setfacl --remove-all folder/file
setfattr --name user.note --value 0x00ff0a3d old
setfattr --name trusted.note --value 0x00ff old
setfattr --no-dereference --name trusted.note --value '"a=b"' link
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
"""


@dataclass(frozen=True)
class Master(Modules):
    """The namespace, held by the process ``pid``; its modules are run from ``collections``."""

    pid: int
    collections: Path

    def path(self, name: str) -> Path:
        """Where this process sees an absolute path of the master."""
        return Path(f"/proc/{self.pid}/root{name}")

    @property
    def vnfs(self) -> Path:
        return self.path("/var/lib/perceus/vnfs/debian")

    def command(self, *argv: str) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", *MORTAL, *argv]

    def run(self, *argv: str) -> str:
        return subprocess.run(self.command(*argv), check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout

    def start(self, module: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(sys.executable, "-c", CALL, module, json.dumps(options)),
            env={**os.environ, "PYTHONPATH": str(self.collections)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def inside(self, *argv: str) -> str:
        """Run a program inside the capsule and return what it says."""
        return str(self.do("vnfs_command", name="debian", argv=list(argv))["stdout"])


def running_commands() -> str:
    """The command lines of all processes that are still there."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_text(errors="replace"))
        except OSError:
            continue  # it ended meanwhile
    return "\n".join(found)


def await_lock(master: Master, pid: int) -> None:
    """Wait until the process ``pid`` holds the capsule's lock."""
    lock = master.vnfs.parent / ".debian.lock"
    deadline = time.monotonic() + 60
    while not lock.exists() or f"process {pid} " not in lock.read_text():
        assert time.monotonic() < deadline, f"process {pid} never held the lock"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def master(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    files = installed / "roles" / "vnfs_store" / "files"
    code = tmp_path_factory.mktemp("code") / "perceus.zip"
    write_archive(code, installed / "plugins" / "module_utils")
    holder = subprocess.Popen(
        [*MORTAL, "unshare", "--mount", "sh", "-c", SET_UP, "sh", str(files), str(code)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        yield Master(holder.pid, installed.parents[2])
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture(scope="session")
def builds(master: Master) -> list[dict[str, Any]]:
    """The results of building the capsule: check, run, check again, run again."""
    return [master.do("vnfs", **RECIPE, _ansible_check_mode=check, _ansible_diff=True) for check in (True, False) * 2]


@pytest.fixture(scope="session")
def pristine(master: Master, builds: list[dict[str, Any]]) -> tuple[str, ...]:
    """The lines of the capsule's manifest before any test changed its tree."""
    assert builds[1]["changed"]
    return walk_tree(master.vnfs / "rootfs").lines


@pytest.fixture(scope="session")
def capsule(master: Master, builds: list[dict[str, Any]], pristine: tuple[str, ...]) -> Master:
    """The master with the capsule ``debian`` on it."""
    assert builds[1]["changed"]
    assert pristine
    return master


@pytest.fixture(scope="session")
def published(capsule: Master) -> list[dict[str, Any]]:
    """The results of publishing the capsule for the first time: check, run, check again, run again."""
    return [capsule.do("vnfs_image", name="debian", _ansible_check_mode=check) for check in (True, False) * 2]


@pytest.fixture(scope="session")
def image(capsule: Master, published: list[dict[str, Any]]) -> Master:
    """The master with the capsule published."""
    assert published[1]["changed"]
    return capsule


@pytest.fixture(scope="module")
def lean(image: Master) -> Iterator[Master]:
    """The master with a published capsule whose image is small, so that it is packed quickly."""
    left_out = ["/usr/lib/x86_64-linux-gnu/**", "/usr/lib/modules/**", "/usr/share/**", "/var/**"]
    image.do("vnfs", name="debian", exclude=left_out, keep=1)
    image.do("vnfs_image", name="debian")
    yield image
    image.do("vnfs", name="debian", exclude=[], keep=3)
    image.do("vnfs_image", name="debian")


@pytest.fixture
def changed(lean: Master) -> Iterator[Path]:
    """A file that makes the tree another one while the test runs."""
    file = lean.vnfs / "rootfs/srv/changed"
    file.write_text(str(time.time_ns()))
    yield file
    file.unlink()


@pytest.fixture(scope="session")
def zoo(master: Master) -> Master:
    """The master with the VNFS ``zoo`` on it: a small tree that has one of everything, and cannot be booted."""
    vnfs = Vnfs(master.path("/var/lib/perceus/vnfs/zoo"))
    vnfs.rootfs.mkdir(parents=True)
    master.run("sh", "-c", f"cd /var/lib/perceus/vnfs/zoo/rootfs\n{ZOO}")
    plant(vnfs.rootfs / "srv/matrix")
    for device in ("disk", "null"):  # no capsule may bring one
        (vnfs.rootfs / "srv/matrix" / device).unlink()
    os.removexattr(vnfs.rootfs / "srv/matrix/noted", "user.empty")  # to tar, empty is not there
    recipe = Recipe(
        source=Mmdebstrap("bookworm"),
        node_files="0" * 64,
        packages=("sudo",),
        authorized_keys=tuple(RECIPE["authorized_keys"]),
        root_password_hash="$y$j9T$salt$hash",  # noqa: S106
        options=Options(kernel_args="quiet", compression="small", allow_secrets=("/srv/**",)),
    )
    save_recipe(vnfs.recipe_file, recipe)
    return master


@pytest.fixture(scope="session")
def exports(zoo: Master) -> list[dict[str, Any]]:
    """The results of exporting: check, run, check again, run again."""
    return [
        zoo.do("vnfs_capsule", name="zoo", state="exported", _ansible_check_mode=check) for check in (True, False) * 2
    ]


@pytest.fixture(scope="session")
def exported(exports: list[dict[str, Any]]) -> dict[str, Any]:
    return exports[1]


@pytest.fixture
def copy(zoo: Master) -> Iterator[str]:
    """The name of a VNFS that is removed afterwards."""
    yield "copy"
    zoo.do("vnfs", name="copy", state="absent")


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory, tree_at: Any) -> Path:
    root = tmp_path_factory.mktemp("small") / "tree"
    furnish(tree_at(root))
    return root


@pytest.fixture
def small(master: Master, small_source: Path) -> Iterator[Small]:
    master.do("vnfs", name=Small.name, folder={"root": str(small_source)})
    vnfs = Small(master)
    yield vnfs
    vnfs.do("vnfs", state="absent", force=True)
    assert [path.name for path in vnfs.folder.parent.glob(f".{Small.name}.*")] == [f".{Small.name}.lock"]


def import_options(exported: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"state": "imported", "source": exported["capsule"], "checksum": exported["checksum"], **options}
