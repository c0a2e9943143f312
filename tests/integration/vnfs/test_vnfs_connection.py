# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin with real ansible-playbook: a VNFS is a host to any role, and nothing is started in it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE

from .conftest import Master, await_lock

NOTHING = """\
vnfs_capsules:
  hosts:
    nothing.vnfs:
      ansible_connection: perceus.cluster.vnfs
"""

Ansible = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ansible(capsule: Master, config: ClusterConfig, tmp_path: Path) -> Ansible:
    """Run one of ansible's programs on the master, whose live inventory has the capsule."""
    config.leases.touch()
    live = {"plugin": "perceus.cluster.leases", "config": str(tmp_path / "cluster.json"), "store": str(STORE)}
    (tmp_path / "perceus.yml").write_text(json.dumps(live))
    (tmp_path / "nothing.yml").write_text(NOTHING)
    sources = [word for name in ("perceus.yml", "nothing.yml") for word in ("-i", str(tmp_path / name))]

    def ansible(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            capsule.command(program, *sources, *arguments),
            env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "0", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    return ansible


@pytest.fixture
def restored(capsule: Master) -> Iterator[None]:
    """Have the tree as it was when the test is over."""
    kept = "/var/lib/perceus/kept"
    capsule.run("cp", "--archive", "/var/lib/perceus/vnfs/debian/rootfs", kept)
    yield
    capsule.run("rm", "-r", "/var/lib/perceus/vnfs/debian/rootfs")
    capsule.run("mv", kept, "/var/lib/perceus/vnfs/debian/rootfs")


@pytest.mark.usefixtures("restored")
def test_a_role_customises_a_vnfs_once(capsule: Master, ansible: Ansible, root: Path) -> None:
    before = capsule.run("cat", "/proc/self/mountinfo")
    play = (str(root / "tests/site/site.yml"), "-e", "site_hosts=debian.vnfs")
    first, second = ansible("ansible-playbook", *play), ansible("ansible-playbook", *play)
    assert first.returncode == 0, first.stdout
    assert second.returncode == 0, second.stdout
    assert "changed=0 " in second.stdout, second.stdout
    proof = capsule.inside("sh", "-c", (root / "tests/site/proof.sh").read_text()).splitlines()
    assert "alice:x:4201:4200::/home/alice:/bin/bash" in proof
    assert "/etc/site-agent.conf -rw-r----- root:research regular file" in proof
    assert "/srv/site drwxrwsr-x alice:research directory" in proof
    assert proof[-3:] == ["enabled", "masked", "hello"]
    tree = capsule.vnfs / "rootfs"
    assert not (tree / "srv/site/started").exists()  # made by the daemon
    assert (tree / "etc/systemd/system/multi-user.target.wants/site-agent.service").is_symlink()
    assert capsule.run("cat", "/proc/self/mountinfo") == before


@pytest.mark.usefixtures("restored")
def test_roles_that_everybody_uses_work_as_on_a_host(capsule: Master, ansible: Ansible, root: Path) -> None:
    play = (str(root / "tests/site/known.yml"), "-e", "site_hosts=debian.vnfs")
    first, second = (ansible("ansible-playbook", *play, ANSIBLE_PIPELINING="true") for _run in range(2))
    assert first.returncode == 0, first.stdout
    assert "RUNNING HANDLER [clock : Restart the daemon]" in first.stdout
    assert second.returncode == 0, second.stdout
    assert "changed=0 " in second.stdout, second.stdout
    assert capsule.inside("systemctl", "is-enabled", "chrony", "ssh").split() == ["enabled", "enabled"]
    assert capsule.inside("readlink", "/etc/localtime") == "/usr/share/zoneinfo/Europe/Zurich\n"
    assert "passwordauthentication no" in capsule.inside("sshd", "-T").splitlines()
    assert "server 192.0.2.1 iburst" in (capsule.vnfs / "rootfs/etc/chrony/chrony.conf").read_text()
    assert not (capsule.vnfs / "rootfs/var/lib/chrony/drift").exists()


@pytest.mark.usefixtures("restored")
def test_packages_come_from_the_archive(capsule: Master, ansible: Ansible) -> None:
    task = ("-m", "ansible.builtin.apt", "-a", "name=hello")
    results = [ansible("ansible", "debian.vnfs", *task).stdout for _ in range(2)]
    assert "debian.vnfs | CHANGED" in results[0], results[0]
    assert "debian.vnfs | SUCCESS" in results[1], results[1]
    assert capsule.inside("hello", "--version")


@pytest.mark.parametrize("pipelining", ["true", "false"])
def test_files_keep_mode_and_content_both_ways(
    capsule: Master, ansible: Ansible, tmp_path: Path, pipelining: str
) -> None:
    content = bytes(range(256)) * 4096
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(content)
    source.chmod(0o4750)
    play = [
        {
            "hosts": "debian.vnfs",
            "gather_facts": False,
            "tasks": [
                {"ansible.builtin.copy": {"src": str(source), "dest": "/srv/copied", "mode": "preserve"}},
                {"ansible.builtin.fetch": {"src": "/srv/copied", "dest": str(back), "flat": True}},
                {"ansible.builtin.file": {"path": "/srv/copied", "state": "absent"}},
            ],
        }
    ]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    done = ansible("ansible-playbook", str(tmp_path / "play.yml"), ANSIBLE_PIPELINING=pipelining)
    assert done.returncode == 0, done.stdout
    assert back.read_bytes() == content
    assert back.stat().st_mode & 0o7777 == 0o750, "a tree's program may not be setuid here"
    assert not list((capsule.vnfs / "rootfs/root").glob(".ansible/tmp/*"))


def test_what_one_task_leaves_in_tmp_the_next_one_finds(ansible: Ansible, capsule: Master) -> None:
    assert "CHANGED" in ansible("ansible", "debian.vnfs", "-m", "raw", "-a", "touch /tmp/mark").stdout
    assert "CHANGED" in ansible("ansible", "debian.vnfs", "-m", "raw", "-a", "rm /tmp/mark").stdout
    assert not (capsule.vnfs / "rootfs/tmp/mark").exists()


def test_becoming_root_inside_is_harmless(ansible: Ansible) -> None:
    done = ansible("ansible", "debian.vnfs", "--become", "-m", "ansible.builtin.command", "-a", "id -u")
    assert done.stdout.splitlines()[-1] == "0", done.stdout


def test_a_user_of_the_tree_can_be_become(ansible: Ansible) -> None:
    who = ("--become", "--become-user", "nobody", "--module-name", "ansible.builtin.command")
    done = ansible("ansible", "debian.vnfs", *who, "--args", "id -un")
    assert done.stdout.splitlines()[-1] == "nobody", done.stdout


def explain(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    return done.stdout


def test_what_cannot_be_entered_is_named(capsule: Master, ansible: Ansible) -> None:
    task = ("-m", "ansible.builtin.raw", "-a", "true")
    assert "Cannot use VNFS 'nothing': it has no rootfs. Build it" in explain(ansible("ansible", "nothing.vnfs", *task))
    hostile = ansible("ansible", "debian.vnfs", *task, "-e", json.dumps({"perceus_vnfs": "../../etc"}))
    assert "Cannot name a VNFS '../../etc'" in explain(hostile)
    shell = capsule.path("/usr/local/sbin/vnfs-shell")
    shell.rename(shell.with_name("away"))
    try:
        lacking = explain(ansible("ansible", "debian.vnfs", *task))
    finally:
        shell.with_name("away").rename(shell)
    assert "the master has no /usr/local/sbin/vnfs-shell. Apply the role perceus.cluster.vnfs_store" in lacking


def test_who_holds_the_vnfs_is_named(capsule: Master, ansible: Ansible) -> None:
    process = capsule.start("vnfs_command", name="debian", argv=["sleep", "60"])
    try:
        await_lock(capsule, process.pid)
        said = explain(ansible("ansible", "debian.vnfs", "-m", "ansible.builtin.raw", "-a", "true"))
    finally:
        process.kill()
        process.communicate()
    assert f"Cannot lock VNFS 'debian': process {process.pid} since " in said


def test_a_shell_has_the_exit_status_and_the_streams_of_its_program(capsule: Master) -> None:
    done = subprocess.run(
        capsule.command("vnfs-shell", "debian", "sh", "-c", "cat; echo words >&2; exit 7"),
        input="in\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\n", "words\n")
