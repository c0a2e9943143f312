# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that run: each a real sshd on a squashfs + overlay root of its own, with an address on the private wire.

A node's root is made as its first stage makes it. It holds just the programs that the master's ssh sessions need.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import save_registry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.acls import ACLS
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import walk_tree

PACKAGE = "ansible_collections.perceus.cluster.plugins.module_utils._master"
PROGRAMS = ("sh", "cat", "chmod", "mv", "ssh-keygen", "sshd", "rsync")
TAKE_SECRETS = ("chown", "cmp", "cp", "grep", "ln", "mkdir", "mount", "readlink", "rm", "sort", "tar", "touch")
APPLY_A_DELTA = ("curl", "find", "flock", "sed", "sha256sum", "timeout", "unshare", "zstd")
SSHD_HELPERS = ("/usr/lib/openssh/sshd-session", "/usr/lib/openssh/sshd-auth")  # OpenSSH 9.8 and later
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

REPORT = """#!/bin/sh
echo "$1 $(cat /run/perceus/generation)" >> /run/perceus/reports
"""

# What a node's first stage and this test's sshd put there, and the default skip list.
OWN = ("dev", "proc", "run", "sys", "tmp", "var/log/", "etc/ssh/ssh_host_")

# A node here has no systemd: what is asked of it, and an answer.
SYSTEMCTL = """#!/bin/sh
echo "$*" >> /run/systemctl
[ ! -e /run/fails ] || { echo "Job for $3 failed." >&2; exit 1; }
"""
SSHD_CONFIG = Path(__file__).parents[1] / "roles/vnfs_store/files/node/etc/ssh/sshd_config.d/perceus.conf"

# The first stage in short. Arguments: image, a folder, address, generation.
BOOT = """set -eu
mount -t tmpfs node "$2"
cd "$2"
mkdir lower rw root
mount -t squashfs -o loop,ro "$1" lower
mount -t tmpfs -o mode=0755 rw rw
mkdir rw/upper rw/work
mount -t overlay -o lowerdir=lower,upperdir=rw/upper,workdir=rw/work overlay root
mount -t proc proc root/proc
mount -t tmpfs -o mode=0755 run root/run
mount --bind /dev root/dev
mkdir root/run/sshd root/run/perceus
echo debian > root/run/perceus/vnfs
echo "$4" > root/run/perceus/generation
echo "quiet perceus.generation=$4" > root/run/perceus/cmdline
mount --bind root/run/perceus/cmdline root/proc/cmdline
chroot root ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/ssh_host_ed25519_key
exec chroot root /usr/sbin/sshd -D -e -o ListenAddress="$3"
"""

# Run a program where /etc/perceus is the test's own, and nobody else sees it. Arguments: upper, work, program.
WITH_OWN_ETC = """set -eu
mount -t overlay -o lowerdir=/etc,upperdir="$1",workdir="$2" overlay /etc
shift 2
exec "$@"
"""


@dataclass
class RunningNode:
    """A booted node: its registry entry and the process that is its init."""

    node: Node
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def init(self) -> int:
        """The process that is its first one."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    @property
    def root(self) -> Path:
        """Its root file system as it sees it."""
        return Path("/proc", str(self.init), "root")

    @property
    def host_key(self) -> str:
        """The base64 part of the public key that lies on the node."""
        return (self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[1]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def run(self, *argv: str) -> None:
        """Run a program of this machine where the node's mounts are, below its folder ``node``."""
        subprocess.run(["nsenter", f"--mount=/proc/{self.init}/ns/mnt", *argv], check=True)

    def kill(self, program: str) -> None:
        """Kill whatever runs on it under this name."""
        pending = [str(self.init)]
        while pending:
            process = Path("/proc", pending.pop())
            with contextlib.suppress(OSError):  # it has gone
                pending += (process / "task" / process.name / "children").read_text().split()
                if (process / "comm").read_text() == f"{program}\n":
                    os.kill(int(process.name), signal.SIGKILL)

    def look(self) -> list[tuple[Any, ...]]:
        """All there is to know of its files, less what is its own."""
        root = self.root
        names = sorted(
            str((Path(folder) / name).relative_to(root))
            for folder, folders, files in os.walk(root)
            for name in [*folders, *files]
        )
        first_names: dict[tuple[int, int], str] = {}
        return [_facts(root / name, name, first_names) for name in names if not name.startswith(OWN)]


def _facts(path: Path, name: str, first_names: dict[tuple[int, int], str]) -> tuple[Any, ...]:
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    content: Any = None
    if kind == stat.S_IFLNK:
        content = os.readlink(path), int(status.st_mtime)
    elif kind == stat.S_IFREG:
        content = (
            path.read_bytes(),
            int(status.st_mtime),
            first_names.setdefault((status.st_dev, status.st_ino), name),
        )
        content += tuple((key, os.getxattr(path, key)) for key in os.listxattr(path))
    return (name, oct(status.st_mode), status.st_uid, status.st_gid, content)


class Cluster:
    """A master's state on disk, and nodes that really answer on its wire."""

    def __init__(self, config: ClusterConfig, folder: Path, wire: Any, tree_at: Any) -> None:
        self.config = config
        self.tree_at = tree_at
        self.folder = folder
        self.wire = wire
        self.nodes: dict[str, RunningNode] = {}
        self.etc = folder / "etc"
        key = self.etc / "perceus/ssh/id_ed25519"
        key.parent.mkdir(parents=True)
        (folder / "etc.work").mkdir()
        shutil.copy(folder / "cluster.json", self.etc / "perceus/cluster.json")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self.authorized_key = key.with_suffix(".pub").read_text()
        config.leases.touch()

    def make_tree(self, name: str) -> Any:
        """Return the least tree that a node can run from."""
        tree = self.tree_at(self.folder / "trees" / name)
        for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "proc", "run", "sys", "tmp", "var/log"):
            (tree.root / folder).mkdir(parents=True)
        for link in ("bin", "sbin", "lib", "lib64"):
            (tree.root / link).symlink_to(f"usr/{link}")
        programs = map(shutil.which, PROGRAMS + TAKE_SECRETS + APPLY_A_DELTA)
        for program in [*programs, *filter(os.path.exists, SSHD_HELPERS)]:
            assert program is not None
            tree.add_program(program)
        tree.write("usr/lib/os-release", "ID=test\n")
        tree.write("usr/lib/perceus/report", REPORT, mode=0o755)
        tree.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n")
        tree.write("etc/group", "root:x:0:\nnogroup:x:65534:\n")
        tree.write("usr/bin/systemctl", SYSTEMCTL, mode=0o755)
        tree.write("etc/ssh/sshd_config", SSHD_CONFIG.read_text())
        tree.write("root/.ssh/authorized_keys", self.authorized_key, mode=0o600)
        (tree.root / "root").chmod(0o700)
        return tree

    def publish(self, tree: Any, generation: str, *, kernel: str = "a kernel") -> Path:
        """Publish ``tree`` as the VNFS debian's current generation; return its root file system's image."""
        vnfs = self.config.store / "debian"
        image = vnfs / "images" / generation
        image.mkdir(parents=True)
        root = image / "rootfs.squashfs"
        manifest = walk_tree(tree.root)
        (self.folder / "acls").write_bytes(os.fsencode(manifest.acls))
        more = ["-p", f"{ACLS} F 0 444 0 0 cat {self.folder}/acls"] if manifest.acls else []
        fast = ["-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "1"]
        subprocess.run(["mksquashfs", str(tree.root), str(root), *fast, *more], check=True)
        (image / "vmlinuz").write_text(kernel)
        (image / "initramfs.img").touch()
        (image / "manifest.json").write_text(manifest.render())
        files = {
            path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
            for path in image.iterdir()
        }
        header = {
            "format": "perceus-image",
            "version": 1,
            "vnfs": "debian",
            "generation": generation,
            "kernel_args": "",
            "root_mode": "overlay",
            "tree_size": 1,
            "tree_files": 1,
            "files": files,
        }
        (image / "image.json").write_text(json.dumps(header))
        (vnfs / "current").unlink(missing_ok=True)
        (vnfs / "current").symlink_to(f"images/{generation}")
        return root

    def register(self, *names: str) -> None:
        """Make nodes of these names, whether they run or not."""
        save_registry(self.config.registry, Registry({}, tuple(self._entry(name) for name in names)))

    def boot(self, name: str, image: Path) -> RunningNode:
        """Boot a node of the registry from ``image`` and wait for its sshd."""
        folder = self.folder / f"{name}.{len(self.nodes)}"
        (folder / "node").mkdir(parents=True)
        entry = self._entry(name)
        self.wire.nodes.ip("address", "replace", f"{entry.address}/16", "dev", "eth0")
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", BOOT, "sh"]
        arguments = [str(image), str(folder / "node"), str(entry.address), image.parent.name]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(self.wire.nodes.command(*isolated, *arguments), stderr=log)
        node = self.nodes[name] = RunningNode(entry, folder, process)
        deadline = time.monotonic() + 20
        while "Server listening" not in node.log:
            assert process.poll() is None and time.monotonic() < deadline, node.log
            time.sleep(0.02)
        return node

    def shut_down(self, node: RunningNode) -> None:
        node.process.kill()
        node.process.wait()

    def looped_images(self) -> list[str]:
        """The images of this cluster that are still mounted somewhere."""
        listing = ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]
        found = subprocess.run(listing, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        return [image for image in found if image.startswith(str(self.folder))]

    def report(
        self,
        node: RunningNode,
        stage: str = "ready",
        *,
        hostkey: str | None = None,
        boot: str = BOOT_ID,
    ) -> None:
        """Have the node's report in the log, as nginx writes it."""
        line = {
            "time": "2030-01-01T00:00:00+00:00",
            "address": str(node.node.address),
            "stage": stage,
            "mac": node.node.macs[0],
            "generation": (node.root / "run/perceus/generation").read_text().strip(),
            "boot": boot,
            "detail": "",
            "hostkey": node.host_key if hostkey is None else hostkey,
        }
        with self.config.reports.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def run(self, *argv: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a program on the master's end of the wire, for so many seconds at most."""
        own_etc = ["unshare", "--mount", "sh", "-c", WITH_OWN_ETC, "sh", str(self.etc), str(self.folder / "etc.work")]
        return subprocess.run(
            self.wire.master.command(*own_etc, *argv), capture_output=True, text=True, check=False, timeout=timeout
        )

    def run_identity(self) -> subprocess.CompletedProcess[str]:
        """Run the identity service once, with what it needs to log in."""
        return self.run(
            "env", f"PYTHONPATH={os.environ['ANSIBLE_COLLECTIONS_PATH']}", sys.executable, "-m", PACKAGE, "identity"
        )

    def livesync(self, *flags: str, **options: Any) -> dict[str, Any]:
        """Run the module on the master; return what it returned, and whether it failed."""
        done = self.run(
            *("env", "PATH=/usr/bin:/usr/sbin:/bin:/sbin", f"ANSIBLE_HOME={self.folder / 'ansible'}"),
            *(str(Path(sys.executable).with_name("ansible")), "localhost", "--connection", "local"),
            *("--extra-vars", "ansible_python_interpreter=/usr/bin/python3"),
            *("--module-name", "perceus.cluster.livesync", "--args", json.dumps({"name": "debian", **options}), *flags),
        )
        printed = re.search(r"^localhost \| \S+ => (\{.*)", done.stdout, re.DOTALL | re.MULTILINE)
        assert printed, done.stdout + done.stderr
        return {**json.loads(printed[1]), "failed": done.returncode != 0}

    def ssh(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Log in as root on the master does by ``ssh n101``, strictly."""
        return self.run("ssh", "-F", str(self.config.state_dir / "ssh_config"), "-o", "BatchMode=yes", name, *command)

    def _entry(self, name: str) -> Node:
        number = int(name[1:])
        return Node(
            name=name,
            macs=(f"52:54:00:00:00:{number % 256:02x}",),
            address=IPv4Address(f"10.17.5.{number}"),
            group="compute",
            enabled=True,
            machine_id=f"{number:032x}",
            adopted="2030-01-01T00:00:00Z",
        )
