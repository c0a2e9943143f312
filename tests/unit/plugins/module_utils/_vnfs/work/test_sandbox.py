# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import CommandError, PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import SYSTEM_PATH, Completed
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.work.sandbox import (
    MortalRunner,
    Sandbox,
    build_sandbox_argv,
    chase,
    is_due,
    remove_placeholders,
)
from hypothesis import given
from hypothesis import strategies as st

ENVIRONMENT = [
    *("--clearenv", "--setenv", "PATH", SYSTEM_PATH, "--setenv", "HOME", "/root", "--setenv", "LC_ALL", "C.UTF-8"),
    *(
        "--setenv",
        "DEBIAN_FRONTEND",
        "noninteractive",
        "--setenv",
        "INITRD",
        "No",
        "--setenv",
        "KERNEL_INSTALL_BYPASS",
        "1",
    ),
    *("--setenv", "SYSTEMD_OFFLINE", "1"),
]
OWN = [
    *("--dev", "/dev", "--chmod", "1777", "/dev/shm", "--proc", "/proc", "--tmpfs", "/run"),
    *("--perms", "1777", "--dir", "/run/lock", "--dir", "/run/sshd"),
]
SEPARATED = [
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--hostname",
    "vnfs",
    "--cap-add",
    "ALL",
    "--die-with-parent",
]


class Recorder:
    """A runner that runs nothing and remembers; with ``error`` it fails."""

    def __init__(self, error: CommandError | None = None) -> None:
        self.calls: list[tuple[list[str], dict[str, Any]]] = []
        self.error = error

    def __call__(self, argv: Sequence[str], **options: Any) -> Completed:
        self.calls.append((list(argv), options))
        if self.error:
            raise self.error
        return Completed(tuple(argv), 0, "", "")


def test_a_writable_sandbox() -> None:
    argv = build_sandbox_argv(
        ["apt-get", "update"],
        rootfs=Path("/vnfs/a/rootfs"),
        masks={"/usr/sbin/policy-rc.d": Path("/lib/policy"), "/run/systemd/resolve/stub": Path("/etc/resolv.conf")},
        outside=["--ro-bind", "/lib/node", "/run/perceus"],
        cwd="/srv",
    )
    assert argv == [
        *("bwrap", "--bind", "/vnfs/a/rootfs", "/"),
        *OWN,
        *("--ro-bind", "/lib/policy", "/usr/sbin/policy-rc.d"),
        *("--dir", "/run/systemd", "--dir", "/run/systemd/resolve"),
        *("--ro-bind", "/etc/resolv.conf", "/run/systemd/resolve/stub"),
        *("--ro-bind", "/lib/node", "/run/perceus"),
        *SEPARATED,
        *ENVIRONMENT,
        *("--chdir", "/srv", "--", "apt-get", "update"),
    ]


def test_a_read_only_sandbox_has_a_place_for_temporary_files() -> None:
    argv = build_sandbox_argv(["dracut"], rootfs=Path("/tree"), read_only=True)
    assert argv == [
        *("bwrap", "--ro-bind", "/tree", "/"),
        *OWN,
        *("--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777", "--tmpfs", "/var/tmp"),
        *SEPARATED,
        *ENVIRONMENT,
        *("--chdir", "/", "--", "dracut"),
    ]


def test_a_mortal_program_has_the_host_and_processes_of_its_own() -> None:
    recorder = Recorder()
    MortalRunner(recorder)(["mmdebstrap", "-x"], env={"A": "b"})
    ((argv, options),) = recorder.calls
    assert argv == [
        *("bwrap", "--dev-bind", "/", "/", "--proc", "/proc", "--unshare-pid", "--cap-add", "ALL", "--die-with-parent"),
        *("--", "mmdebstrap", "-x"),
    ]
    assert options["env"] == {"A": "b"}


def test_an_error_names_the_program_and_not_its_sandbox(tmp_path: Path) -> None:
    recorder = Recorder(CommandError("Cannot finish 'bwrap': exit status 100: E: x", argv=["bwrap"], rc=100))
    with pytest.raises(CommandError) as caught:
        Sandbox(tmp_path, recorder)(["apt-get", "update"])
    assert caught.value.msg == "Cannot finish 'apt-get': exit status 100: E: x"
    assert caught.value.details == {"argv": ["apt-get", "update"], "rc": 100}


def test_a_sandbox_that_cannot_be_made_is_named_itself(tmp_path: Path) -> None:
    recorder = Recorder(CommandError("Cannot run 'bwrap': not found", argv=["bwrap"]))
    with pytest.raises(CommandError, match="Cannot run 'bwrap'"):
        Sandbox(tmp_path, recorder)(["true"])


def test_placeholders_go_even_when_the_program_fails(tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    policy = tmp_path / "usr/sbin/policy-rc.d"
    policy.touch()
    with pytest.raises(CommandError):
        Sandbox(tmp_path, Recorder(CommandError("Cannot finish 'bwrap'")))(["false"])
    assert not policy.exists()


def test_the_link_of_a_killed_sandbox_goes_with_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    resolver = tmp_path / "etc/resolv.conf"
    resolver.symlink_to("/run/perceus-resolv.conf")
    Sandbox(tmp_path, Recorder())(["true"])
    assert not resolver.is_symlink()


def test_what_a_killed_sandbox_left_goes_also_without_another_one(tmp_path: Path) -> None:
    for folder in ("etc", "usr/sbin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/resolv.conf").symlink_to("/run/perceus-resolv.conf")
    (tmp_path / "usr/sbin/policy-rc.d").touch()
    remove_placeholders(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_a_tree_whose_links_lead_nowhere_can_still_be_removed(tmp_path: Path) -> None:
    (tmp_path / "usr").symlink_to("usr")
    remove_placeholders(tmp_path)


def test_folders_for_what_is_mounted_over_are_there_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    Sandbox(tmp_path, Recorder())(["true"])
    assert [path.name for path in tmp_path.rglob("*")] == ["usr"]


def test_a_policy_with_content_stays(tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    policy = tmp_path / "usr/sbin/policy-rc.d"
    policy.write_text("exit 0\n")
    Sandbox(tmp_path, Recorder())(["true"])
    assert policy.read_text() == "exit 0\n"


@pytest.mark.parametrize(
    ("links", "name", "leads"),
    [
        ({}, "/etc/resolv.conf", "/etc/resolv.conf"),
        ({"etc/resolv.conf": "../run/x"}, "/etc/resolv.conf", "/run/x"),
        ({"etc/resolv.conf": "/etc/shadow"}, "/etc/resolv.conf", "/etc/shadow"),
        ({"etc/resolv.conf": "../../../../etc/shadow"}, "/etc/resolv.conf", "/etc/shadow"),
        ({"etc/resolv.conf": "a", "etc/a": "/b/./c/", "b": "/d"}, "/etc/resolv.conf", "/d/c"),
        ({"sbin": "usr/sbin"}, "/sbin/policy-rc.d", "/usr/sbin/policy-rc.d"),
    ],
)
def test_links_are_followed_as_inside(tmp_path: Path, links: dict[str, str], name: str, leads: str) -> None:
    (tmp_path / "etc").mkdir()
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    assert chase(tmp_path, name) == leads


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(PerceusError, match="too many symbolic links"):
        chase(tmp_path, "/a")


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b", "up", "root"]), max_size=12))
def test_nothing_leads_outside(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    tree = tmp_path_factory.mktemp("tree", numbered=True)
    (tree / "up").symlink_to("../../..")
    (tree / "root").symlink_to("/")
    leads = chase(tree, "/".join(parts))
    assert leads == os.path.normpath(leads)
    assert ".." not in leads.split("/")


def test_links_decide_what_is_due(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/made").touch()
    (tmp_path / "link").symlink_to("/etc")
    assert not is_due(tmp_path, creates="/link/made", removes=None)
    assert is_due(tmp_path, creates="/etc/passwd", removes=None)  # the host's does not count
    assert is_due(tmp_path, creates=None, removes="/etc/made")
    assert not is_due(tmp_path, creates=None, removes="/etc/passwd")
