# SPDX-License-Identifier: GPL-3.0-or-later
"""The first stage as it is, on a network and in a mount namespace of its own, with a small image to boot."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry, save_registry
from ansible_collections.perceus.cluster.plugins.module_utils._reports import Report, load_reports

GENERATION = "0123456789abcdef"
NODE = Path("roles/vnfs_store/files/node")
DRACUT_MODULES = NODE / "usr/lib/dracut/modules.d"
# Sourced by the first stage
PARTS = (
    "90perceus/fetch.sh",
    "90perceus/signature.sh",
    "90perceus/overlay.sh",
    "91perceus-nfs/nfs.sh",
    "91perceus-ram/ram.sh",
    "91perceus-disk/disk.sh",
    "91perceus-disk/install.sh",
    "91perceus-disk/local.sh",
)
PROGRAMS = ("cat", "curl", "env", "id", "ls", "mkdir", "sed", "sh", "tail", "tar", "timeout", "tr", "zstd")

# What dracut gives its hooks, and a machine whose kernel has all drivers. Arguments: the first stage, the image's name
# for the new root, where a copy of that goes.
STAGE = """set -u
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 run /run
mkdir "$2"
export NEWROOT=$2
sh "$1" || exit
cp -a "$2/." "$3/"
cp -a /run/perceus/overlay "$3/run/" 2> /dev/null || true
cp -a /run/perceus/scripts "$3/run/" 2> /dev/null || true
cat /proc/mounts > "$3/run/mounts"
ls -A "$2/proc" "$2/run" "$2/dev" "$2/sys"
"""
DRACUT_LIB = """
getarg() {
    for argument in $(cat CMDLINE); do
        case $argument in "$1="*) echo "${argument#*=}"; return 0 ;; esac
    done
    return 1
}
getargs() {
    tr ' ' '\\n' < CMDLINE | sed -n "s|^$1=||p" | grep .
}
"""


@dataclass(frozen=True)
class FirstStage:
    """A node in the registry, what its boot script says, and its first stage run with that."""

    wire: Any
    config: ClusterConfig
    folder: Path
    checkout: Path

    def change(self, **values: Any) -> None:
        registry = load_registry(self.config.registry)
        save_registry(self.config.registry, registry.of_nodes(replace(node, **values) for node in registry.nodes))

    def change_image(self, **values: Any) -> None:
        """Have the image's header say something else."""
        header = self.image / "image.json"
        header.write_text(json.dumps({**json.loads(header.read_text()), **values}))

    @property
    def image(self) -> Path:
        return self.config.store / "debian" / "images" / GENERATION

    def reconcile(self, *, status: int = 0) -> list[str]:
        """Run the reconciler; return its journal."""
        said: list[str] = []
        assert reconcile.run(lambda: self.config, reload=lambda: None, say=said.append) == status, said
        return said

    @property
    def script(self) -> str:
        (script,) = self.config.state_dir.glob("boot/*-*.ipxe")
        return script.read_text()

    def boot(self, mend: Callable[[], None] = lambda: None) -> Path:
        """Boot by the present boot script, with ``mend`` called meanwhile; return a copy of the node's root."""
        root = self.folder / "node"
        root.mkdir()
        argv = self.command(STAGE, "/run/newroot", str(root))
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
            try:
                mend()
                said, _nothing = running.communicate(timeout=60)
            finally:
                running.kill()
        assert running.returncode == 0, said + self.console
        assert said.split() == [f"/run/newroot/{folder}:" for folder in ("dev", "proc", "run", "sys")], said
        return root

    def command(self, script: str, *arguments: str, **stubs: str) -> list[str]:
        """Return the command that runs a script, with the first stage as its first argument, in the node's place.

        ``stubs`` are scripts in the place of programs.
        """
        (kernel,) = [line for line in self.script.splitlines() if line.startswith("kernel ")]
        (self.folder / "cmdline").write_text(kernel.split(" ", 3)[3].removesuffix(" || goto failed"))
        shutil.rmtree(self.folder / "bin", ignore_errors=True)
        self._write("perceus-root.sh", (self.checkout / DRACUT_MODULES / "90perceus/perceus-root.sh").read_text())
        for part in PARTS:
            name = f"lib/perceus-{part.partition('/')[2]}"
            self._write(name, (self.checkout / DRACUT_MODULES / part).read_text())
        for name, text in {"modprobe": "", "udevadm": "", **stubs}.items():
            self._write(f"bin/{name}", f"#!/bin/sh\n{text}").chmod(0o755)
        self._write("dracut-lib.sh", DRACUT_LIB.replace("CMDLINE", str(self.folder / "cmdline")))
        path = f"PATH={self.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        stage = str(self.folder / "perceus-root.sh")
        return list(self.wire.nodes.command("env", path, *alone, "sh", "-c", script, "sh", stage, *arguments))

    def boot_mended(self, stage: str, mend: Callable[[], Any]) -> Path:
        """Boot with something wrong, which is mended once the node has reported ``stage``."""

        def wait_and_mend() -> None:
            self.await_stage(stage)
            mend()

        return self.boot(wait_and_mend)

    def await_stage(self, stage: str) -> Report:
        """Wait until the node has reported ``stage``, and return that report."""
        deadline = time.monotonic() + 30
        while True:
            for report in self.reports():
                if report.stage == stage:
                    return report
            assert time.monotonic() < deadline, self.console
            time.sleep(0.1)

    @property
    def console(self) -> str:
        return (self.folder / "console").read_text()

    def reports(self) -> list[Report]:
        return load_reports(self.config.reports)

    def _write(self, name: str, text: str) -> Path:
        """Write a file of the stage, in which names that a test has elsewhere are those."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        for there, here in (
            ("/lib/dracut-lib.sh", "dracut-lib.sh"),
            ("/etc/perceus/allowed_signers", "allowed_signers"),
            ("/usr/lib/perceus-", "lib/perceus-"),
            ("/proc/cmdline", "cmdline"),
        ):
            text = text.replace(there, str(self.folder / here))
        file.write_text(text.replace("> /dev/console", f">> {self.folder / 'console'}"))
        return file


@pytest.fixture
def stage(wire: Any, config: ClusterConfig, nginx: Path, tmp_path: Path, root: Path, small_image: Path) -> FirstStage:
    """A node whose image is served, and which has not booted yet."""
    assert nginx
    links = subprocess.run(
        wire.nodes.command("ip", "-json", "link", "show", "eth0"), stdout=subprocess.PIPE, check=True
    ).stdout
    mac = json.loads(links)[0]["address"]
    folder = tmp_path / "stage"
    folder.mkdir()
    (folder / "console").touch()
    _publish(config, small_image)
    node = Node("n101", (mac,), IPv4Address("10.17.5.101"), "compute", True, "0" * 32, "2030-01-01T00:00:00Z")
    save_registry(config.registry, Registry({}, (node,)))
    return FirstStage(wire, config, folder, root)


@pytest.fixture(scope="session")
def small_image(root: Path, tree_at: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of a few programs, and what a VNFS has of ours, in a folder with its tree."""
    folder = tmp_path_factory.mktemp("small")
    tree = tree_at(folder / "tree")
    for program in PROGRAMS:
        tree.add_program(f"/usr/bin/{program}")
    for name in ("report", "restore-acls", "nodescripts"):
        tree.write(f"usr/lib/perceus/{name}", (root / NODE / "usr/lib/perceus" / name).read_text(), mode=0o755)
    for link in ("bin", "lib", "lib64", "sbin"):
        target = tree.root / "usr" / link
        target.mkdir(exist_ok=True)
        _merge(tree.root / link, target)
    tree.write("etc/motd", "of the image\n")
    for name in ("dev", "proc", "run", "sys", "tmp"):
        (tree.root / name).mkdir()
    (tree.root / "root").mkdir(mode=0o700)
    subprocess.run(["mksquashfs", "tree", "rootfs.squashfs", "-quiet", "-no-progress"], cwd=folder, check=True)
    return folder


def _publish(config: ClusterConfig, small_image: Path) -> None:
    """Make it the generation that is served."""
    image = config.store / "debian" / "images" / GENERATION
    image.mkdir(parents=True)
    shutil.copy(small_image / "rootfs.squashfs", image)
    tree = [*(small_image / "tree").rglob("*")]
    for name in ("vmlinuz", "initramfs.img"):
        (image / name).touch()
    content = (image / "rootfs.squashfs").read_bytes()
    described = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    header = {
        "format": "perceus-image",
        "version": 1,
        "vnfs": "debian",
        "generation": GENERATION,
        "kernel_args": "",
        "root_mode": "overlay",
        "tree_size": sum(path.lstat().st_size for path in tree),
        "tree_files": len(tree),
        "files": {"vmlinuz": {}, "initramfs.img": {}, "rootfs.squashfs": described},
    }
    (image / "image.json").write_text(json.dumps(header))
    (image.parents[1] / "current").symlink_to(f"images/{GENERATION}")


def _merge(folder: Path, target: Path) -> None:
    """Have a folder of the root be the one of /usr, as every distribution has it now."""
    for path in [*folder.rglob("*")] if folder.exists() else []:
        if path.is_file():
            moved = target / path.relative_to(folder)
            moved.parent.mkdir(parents=True, exist_ok=True)
            path.replace(moved)
    if folder.exists():
        subprocess.run(["rm", "-r", str(folder)], check=True)
    folder.symlink_to(target.relative_to(folder.parent))
