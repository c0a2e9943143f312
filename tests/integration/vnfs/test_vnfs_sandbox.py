# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs inside a real tree: what they can do there, and that the host sees nothing of it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Master

MOUNTS = ("cat", "/proc/self/mountinfo")
RESOLV = "rootfs/etc/resolv.conf"


def test_nothing_of_a_command_stays_on_the_host(capsule: Master) -> None:
    before = capsule.run(*MOUNTS)
    capsule.inside("sh", "-c", "sleep 1000 >/dev/null 2>&1 & mount -t tmpfs tmpfs /mnt")
    assert capsule.run(*MOUNTS) == before


def test_a_killed_command_leaves_nothing_either(capsule: Master) -> None:
    before = capsule.run(*MOUNTS)
    process = capsule.start("vnfs_command", name="debian", argv=["sh", "-c", "echo here > /var/lib/here; sleep 1000"])
    mark = capsule.vnfs / "rootfs/var/lib/here"
    while not mark.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    mark.unlink()
    deadline = time.monotonic() + 10
    while "sleep\0001000" in _commands():
        assert time.monotonic() < deadline, "the command outlived its module"
        time.sleep(0.05)
    assert capsule.run(*MOUNTS) == before


def _commands() -> str:
    """The command lines of all processes that are still there."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_text(errors="replace"))
        except OSError:
            continue  # it ended meanwhile
    return "\n".join(found)


@pytest.mark.parametrize(
    "arrange",
    [
        "ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
        "ln -s /run/nobody/made/this /etc/resolv.conf",
        "ln -s /etc/shadow /etc/resolv.conf",
        "ln -s ../../../../../../etc/shadow /etc/resolv.conf",
        ": > /etc/resolv.conf",
        "true",
    ],
    ids=["stub", "dangling", "shadow", "climbing", "empty", "absent"],
)
def test_names_are_resolved_as_on_the_master_whatever_the_tree_has(capsule: Master, arrange: str) -> None:
    tree = capsule.vnfs / "rootfs"
    shadow = [path.read_bytes() for path in (tree / "etc/shadow", Path("/etc/shadow"))]
    kept = os.readlink(capsule.vnfs / RESOLV)
    os.unlink(capsule.vnfs / RESOLV)
    try:
        capsule.run("chroot", "/var/lib/perceus/vnfs/debian/rootfs", "sh", "-c", arrange)
        before = _look(capsule.vnfs / RESOLV)
        assert capsule.inside("setpriv", "--reuid=nobody", "--clear-groups", "cat", "/etc/resolv.conf") == (
            capsule.path("/etc/resolv.conf").read_text()
        )
        assert _look(capsule.vnfs / RESOLV) == before
    finally:
        (capsule.vnfs / RESOLV).unlink(missing_ok=True)
        os.symlink(kept, capsule.vnfs / RESOLV)
    assert [path.read_bytes() for path in (tree / "etc/shadow", Path("/etc/shadow"))] == shadow


def test_a_resolver_that_somebody_wrote_is_theirs_to_replace(capsule: Master) -> None:
    resolv = capsule.vnfs / RESOLV
    kept = os.readlink(resolv)
    resolv.unlink()
    resolv.write_text("nameserver 192.0.2.1\n")
    try:
        assert capsule.inside("cat", "/etc/resolv.conf") == "nameserver 192.0.2.1\n"
        capsule.inside("sh", "-c", "echo nameserver 192.0.2.2 > /etc/new; mv /etc/new /etc/resolv.conf")
        assert resolv.read_text() == "nameserver 192.0.2.2\n"
    finally:
        resolv.unlink()
        os.symlink(kept, resolv)


def _look(file: Path) -> Any:
    if file.is_symlink():
        return os.readlink(file)
    return (file.read_bytes() or None) if file.exists() else None  # an empty one is what a killed sandbox leaves


def test_no_service_is_started(capsule: Master) -> None:
    assert capsule.inside("sh", "-c", "/usr/sbin/policy-rc.d ssh start; echo $?") == "101\n"
    assert not (capsule.vnfs / "rootfs/usr/sbin/policy-rc.d").exists()


def test_an_administrators_own_policy_comes_through(capsule: Master) -> None:
    own = capsule.vnfs / "rootfs/usr/sbin/policy-rc.d"
    own.write_text("#!/bin/sh\nexit 0\n")
    try:
        assert capsule.inside("sh", "-c", "sh /usr/sbin/policy-rc.d; echo $?") == "101\n"
        assert own.read_text() == "#!/bin/sh\nexit 0\n"
    finally:
        own.unlink()


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
