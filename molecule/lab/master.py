# SPDX-License-Identifier: GPL-3.0-or-later
"""The master: a Debian machine with systemd as its first process, in a systemd-nspawn container."""

from __future__ import annotations

import uuid
from pathlib import Path

from lab import network, packages, process, ssh, tree
from lab.settings import Lab


def up(lab: Lab) -> None:
    """Boot the master, from a fresh copy of the cached tree when it has no root yet, and wait for its sshd."""
    if not lab.root.exists():
        tree.copy(tree.cached(tree.Recipe.of_this_host(), lab.cache, cgroup=lab.part("build")), lab.root)
        packages.lend(lab)
        _personalise(lab)
    if not lab.part("master").populated():
        _boot(lab)
    process.wait_until(
        lambda: ssh.answers(lab, "master"),
        timeout=60,
        reason=f"Cannot reach the master (see {lab.folder}/master.log): no ssh",
    )


def traces(lab: Lab) -> list[Path]:
    """What systemd-nspawn leaves in /run when it is killed."""
    runtime = Path("/run/systemd/nspawn")
    found = [runtime / "propagate" / _container(lab)]
    if lab.root.exists():
        status = lab.root.stat()
        found.append(runtime / f"locks/inode-{status.st_dev}:{status.st_ino}")
    return [path for path in found if path.exists()]


def _container(lab: Lab) -> str:
    return f"perceus-lab-{lab.name}"


def _personalise(lab: Lab) -> None:
    """Give the copy what makes one machine another than the next: name, id, host key, and who may log in."""
    etc = lab.root / "etc"
    (etc / "hostname").write_text("master\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n127.0.1.1 master\n")
    (etc / "resolv.conf").write_text(f"nameserver {network.NAMESERVER}\n")
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    process.run(["ssh-keygen", "-A", "-f", str(lab.root)])
    public = (etc / "ssh/ssh_host_ed25519_key.pub").read_text().split()
    (lab.folder / "known_hosts").write_text(f"master {public[0]} {public[1]}\n")
    keys = lab.root / "root/.ssh"
    keys.mkdir(mode=0o700, exist_ok=True)
    (keys / "authorized_keys").write_text(lab.operator_key.with_suffix(".pub").read_text())


def _boot(lab: Lab) -> None:
    devices = ["/dev/fuse", "/dev/loop-control", *sorted(str(device) for device in Path("/dev").glob("loop[0-9]*"))]
    process.start(
        [
            "systemd-nspawn", "--quiet", "--boot", f"--directory={lab.root}",
            f"--machine={_container(lab)}", "--hostname=master", "--register=no", "--keep-unit",
            f"--network-namespace-path={network.NAMESPACES / lab.master}", "--capability=all", "--resolv-conf=off",
            "--timezone=off", "--link-journal=no", "--console=pipe", "--notify-ready=yes",
            *(f"--bind={device}" for device in devices),
        ],
        cgroup=lab.part("master"), log=lab.folder / "master.log",
        env={"SYSTEMD_SECCOMP": "0", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_NSPAWN_TMPFS_TMP": "0"},
    )  # fmt: skip
