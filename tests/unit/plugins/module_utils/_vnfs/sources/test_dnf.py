# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources import parse_source, plain_source
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.dnf import (
    Dnf,
    Repository,
    build_dnf_argv,
    render_configuration,
    render_macros,
)

BASE = Repository("baseos", "https://m.example.org/$releasever/BaseOS/$basearch/os/", "https://m.example.org/key")
LOCAL = Repository("local", "file:///srv/repository", gpgcheck=False)
SOURCE = Dnf("9", (BASE, LOCAL))


def test_the_command_line() -> None:
    assert build_dnf_argv(SOURCE, Path("/new/rootfs"), packages=("systemd", "kernel"), folder=Path("/tmp/x")) == [
        *("dnf", "--config=/tmp/x/dnf.conf", "--installroot=/new/rootfs", "--releasever=9"),
        *("--assumeyes", "--quiet", "install", "--", "systemd", "kernel"),
    ]


def test_the_configuration_has_the_repositories_and_nothing_of_the_masters() -> None:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(render_configuration(SOURCE, Path("/tmp/x")))
    assert parsed.sections() == ["main", "baseos", "local"]
    assert dict(parsed["main"]) == {
        "reposdir": "/tmp/x/none",
        "varsdir": "/tmp/x/none",
        "pluginconfpath": "/tmp/x/none",
        "plugins": "0",
        "install_weak_deps": "0",
        "module_platform_id": "platform:el9",
    }
    assert dict(parsed["baseos"]) == {
        "name": "baseos",
        "baseurl": BASE.baseurl,
        "module_hotfixes": "1",
        "gpgcheck": "1",
        "gpgkey": BASE.gpgkey,
    }
    assert parsed["local"]["gpgcheck"] == "0"


@pytest.mark.parametrize(
    ("release", "database"), [("9", "/var/lib/rpm"), ("9.4", "/var/lib/rpm"), ("10", "/usr/lib/sysimage/rpm")]
)
def test_the_database_lies_where_the_trees_own_rpm_looks(release: str, database: str) -> None:
    assert render_macros(replace(SOURCE, release=release)).splitlines() == [
        f"%_dbpath {database}",
        "%_db_backend sqlite",
    ]


def test_a_source_comes_back_as_it_was_written() -> None:
    assert parse_source(plain_source(SOURCE)) == SOURCE


@pytest.mark.parametrize("repositories", [None, "baseos", ["baseos"], [{"name": "a", "url": "b"}], [{"name": "a"}]])
def test_what_is_no_repository_is_refused(repositories: Any) -> None:
    with pytest.raises(PerceusError, match="Cannot use the source 'dnf'"):
        parse_source({"type": "dnf", "release": "9", "repositories": repositories})


@pytest.mark.parametrize("release", ["", "nine", "9;reboot", "--x", "8", "7.9"])
def test_hostile_and_old_releases_are_refused(release: str) -> None:
    with pytest.raises(PerceusError, match=r"Cannot (use|build)"):
        replace(SOURCE, release=release)


def test_there_must_be_a_repository() -> None:
    with pytest.raises(PerceusError, match="there are no repositories"):
        Dnf("9", ())


@pytest.mark.parametrize(
    "change",
    [
        {"name": "main]\n[x"},
        {"name": "-x"},
        {"baseurl": "https://m/\nplugins=1"},
        {"baseurl": "ftp://m/"},
        {"gpgkey": "/etc/key\nx=1"},
        {"gpgkey": None},
    ],
)
def test_hostile_repositories_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match="Cannot use"):
        replace(BASE, **change)
