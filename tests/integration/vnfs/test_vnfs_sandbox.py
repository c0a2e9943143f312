# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs inside a real tree: what they can do there, and that the host sees nothing of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import NAP, Master, running_commands

MOUNTS = ("cat", "/proc/self/mountinfo")


def test_nothing_of_a_command_stays_on_the_host(capsule: Master) -> None:
    before = capsule.run(*MOUNTS)
    capsule.inside("sh", "-c", "sleep 1000 >/dev/null 2>&1 & mount -t tmpfs tmpfs /mnt")
    assert capsule.run(*MOUNTS) == before


def test_a_killed_command_leaves_nothing_either(capsule: Master) -> None:
    before = capsule.run(*MOUNTS)
    process = capsule.start("vnfs_command", name="debian", argv=["sh", "-c", f"echo here > /var/lib/here; sleep {NAP}"])
    mark = capsule.vnfs / "rootfs/var/lib/here"
    while not mark.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    mark.unlink()
    deadline = time.monotonic() + 10
    while f"sleep\0{NAP}" in running_commands():
        assert time.monotonic() < deadline, "the command outlived its module"
        time.sleep(0.05)
    assert capsule.run(*MOUNTS) == before


RESOLVERS = {
    "stub": "ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
    "dangling": "ln -s /run/nobody/made/this /etc/resolv.conf",
    "nowhere": "ln -s /nobody/made/this /etc/resolv.conf",
    "shadow": "ln -s /etc/shadow /etc/resolv.conf",
    "climbing": "ln -s ../../../../../../etc/shadow /etc/resolv.conf",
    "empty": ": > /etc/resolv.conf",
    "absent": "true",
}


@pytest.fixture
def resolver(request: pytest.FixtureRequest, capsule: Master) -> Iterator[Path]:
    """The tree's resolv.conf in one of those states. Afterwards it is what it was, and so is what it led to."""
    tree = capsule.vnfs / "rootfs"
    resolver = tree / "etc/resolv.conf"
    precious = [tree / "etc/shadow", *(capsule.path(name) for name in ("/etc/shadow", "/etc/resolv.conf"))]
    before = [path.read_bytes() for path in precious]
    kept = os.readlink(resolver)
    resolver.unlink()
    try:
        capsule.run("chroot", "/var/lib/perceus/vnfs/debian/rootfs", "sh", "-c", RESOLVERS[request.param])
        yield resolver
    finally:
        resolver.unlink(missing_ok=True)
        os.symlink(kept, resolver)
    assert [path.read_bytes() for path in precious] == before


@pytest.mark.parametrize("resolver", RESOLVERS, indirect=True)
def test_names_are_resolved_as_on_the_master_whatever_the_tree_has(capsule: Master, resolver: Path) -> None:
    before = _look(capsule, resolver)
    assert capsule.inside("setpriv", "--reuid=nobody", "--clear-groups", "cat", "/etc/resolv.conf") == (
        capsule.path("/etc/resolv.conf").read_text()
    )
    assert _look(capsule, resolver) == before


@pytest.mark.parametrize("resolver", RESOLVERS, indirect=True)
def test_a_program_can_replace_a_resolver_but_not_write_into_the_masters(capsule: Master, resolver: Path) -> None:
    before = _look(capsule, resolver)
    result = capsule.call(
        "vnfs_command", name="debian", argv=["sh", "-c", "echo nameserver 192.0.2.1 > /etc/resolv.conf"]
    )
    assert "Read-only file system" in result["msg"]
    assert _look(capsule, resolver) == before
    capsule.inside("sh", "-c", "echo nameserver 192.0.2.2 > /etc/new; mv /etc/new /etc/resolv.conf")
    assert not resolver.is_symlink()
    assert resolver.read_text() == "nameserver 192.0.2.2\n"
    assert capsule.inside("cat", "/etc/resolv.conf") == "nameserver 192.0.2.2\n"
    capsule.inside("sh", "-c", "echo nameserver 192.0.2.3 > /etc/resolv.conf")
    assert resolver.read_text() == "nameserver 192.0.2.3\n"


def _look(capsule: Master, resolver: Path) -> tuple[str | None, list[str]]:
    """Where the resolver leads, and what is in the tree, less empty files: a killed sandbox leaves some."""
    names = capsule.run("find", "/var/lib/perceus/vnfs/debian/rootfs", "-size", "0", "-o", "-print")
    return os.readlink(resolver) if resolver.is_symlink() else None, names.splitlines()


def test_root_inside_owns_the_tree(capsule: Master) -> None:
    script = """
    set -e
    cd /srv
    cp /bin/true tool
    chown 12345:54321 tool
    setcap cap_net_raw+ep tool
    mknod null c 1 3
    stat -c '%u:%g' tool
    getcap tool
    stat -c '%F %t:%T' null
    rm tool null
    """
    assert capsule.inside("sh", "-c", script).splitlines() == [
        "12345:54321",
        "tool cap_net_raw=ep",
        "character special file 1:3",
    ]


def test_a_command_is_run_when_it_is_due(capsule: Master) -> None:
    def make(**options: str) -> tuple[bool, bool]:
        """Whether it would change something, and whether it did."""
        command = {"name": "debian", "argv": ["touch", "/srv/made"], **options}
        rehearsed = capsule.do("vnfs_command", **command, _ansible_check_mode=True)
        assert "rc" not in rehearsed
        return rehearsed["changed"], capsule.do("vnfs_command", **command)["changed"]

    assert make(removes="/srv/made") == (False, False)
    assert not (capsule.vnfs / "rootfs/srv/made").exists()
    assert make(creates="/srv/made") == (True, True)
    assert make(creates="/srv/made") == (False, False)
    assert make(removes="/srv/made") == (True, True)
    (capsule.vnfs / "rootfs/srv/made").unlink()


def test_input_and_folder_are_given_to_the_program(capsule: Master) -> None:
    done = capsule.do("vnfs_command", name="debian", argv=["sh", "-c", "pwd; cat"], chdir="/srv", stdin="a\n")
    assert done["stdout"] == "/srv\na\n"


def test_a_program_that_fails_is_named(capsule: Master) -> None:
    result = capsule.call("vnfs_command", name="debian", argv=["sh", "-c", "echo why >&2; exit 3"])
    assert result["failed"]
    assert (result["rc"], result["msg"]) == (3, "Cannot finish 'sh': exit status 3: why")


def test_a_tree_that_is_not_there_is_named(master: Master) -> None:
    result = master.call("vnfs_command", name="nothing", argv=["true"])
    assert result["msg"] == "Cannot use VNFS 'nothing': it has no rootfs. Build it"
