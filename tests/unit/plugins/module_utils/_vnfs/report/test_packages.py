# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import CommandError, PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.apt import Distribution
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.packages import (
    Installed,
    Package,
    load_installed,
    parse_dpkg,
    parse_installed,
    parse_rpm,
)
from hypothesis import given
from hypothesis import strategies as st

STATUS = """\
Package: openssl
Status: install ok installed
Installed-Size: 2256
Maintainer: Debian OpenSSL Team <team@lists.debian.org>
Architecture: amd64
Version: 3.0.17-1~deb12u1
Description: toolkit

Package: libssl3
Status: install ok unpacked
Architecture: amd64
Source: openssl (3.0.17-2)
Version: 3.0.17-1~deb12u1
Maintainer: A
 second line

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""
OPENSSL = Package(
    "openssl",
    "3.0.17-1~deb12u1",
    "amd64",
    "openssl",
    "3.0.17-1~deb12u1",
    2310144,
    "Debian OpenSSL Team <team@lists.debian.org>",
)


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def load(tree: Path) -> Installed:
    return load_installed(tree, runner=CommandRunner())


def test_the_database_of_dpkg_is_read_by_dpkg(tmp_path: Path) -> None:
    write(tmp_path / "var/lib/dpkg/status", STATUS.replace("Maintainer: A\n second line\n", ""))
    write(tmp_path / "usr/lib/os-release", 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("/usr/lib/os-release")
    libssl = Package("libssl3", "3.0.17-1~deb12u1", "amd64", "openssl", "3.0.17-2")
    assert load(tmp_path) == Installed("deb", Distribution("debian", "bookworm", "12"), (libssl, OPENSSL))
    assert [path.name for path in (tmp_path / "var/lib/dpkg").iterdir()] == ["status"]


def test_a_tree_without_a_package_database_has_no_packages(tmp_path: Path) -> None:
    assert load(tmp_path) == Installed("", Distribution("linux"), ())
    write(tmp_path / "var/lib/dpkg/status", "")
    assert load(tmp_path).packages == ()


@pytest.mark.parametrize("database", ["var/lib/dpkg/status", "var/lib/dpkg", "var/lib/rpm"])
def test_no_link_of_the_tree_leads_outside(tmp_path: Path, database: str) -> None:
    write(tmp_path / "outside/status", STATUS)
    link = tmp_path / "tree" / database
    link.parent.mkdir(parents=True)
    for outside in (tmp_path / "outside", tmp_path / "outside/status"):
        for target in (outside, os.path.relpath(outside, link.parent)):
            link.symlink_to(target)
            assert load(tmp_path / "tree").packages == ()
            link.unlink()


@pytest.mark.parametrize(("damage", "error"), [("Package: a\nVersion", CommandError), (STATUS, PerceusError)])
def test_a_damaged_database_is_named(tmp_path: Path, damage: str, error: type[PerceusError]) -> None:
    write(tmp_path / "var/lib/dpkg/status", damage)
    with pytest.raises(error, match="Cannot"):
        load(tmp_path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "var/lib/dpkg/status"
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    with pytest.raises(PerceusError, match=r"Cannot read '/var/lib/dpkg/status' in .*: not a plain file"):
        load(tmp_path)


def test_what_is_removed_is_not_installed() -> None:
    line = "config-files\tgone\t1\tall\tgone\t1\t\tA <a@b>\n"
    assert parse_dpkg(line) == []
    assert parse_dpkg(line.replace("config-files", "installed")) == [
        Package("gone", "1", "all", "gone", "1", 0, "A <a@b>")
    ]


def test_rpms_have_epochs_sources_and_licences() -> None:
    text = (
        "bash\t5.1.8-9.el9\tx86_64\tbash-5.1.8-9.el9.src.rpm\t7738634\tRocky\tGPLv3+\n"
        "dbus-tools\t1:1.12.20-8.el9\tx86_64\tdbus-1.12.20-8.el9.src.rpm\t0\t(none)\tAFL\tand more\n"
        "gpg-pubkey\t350d275d-6279464b\t(none)\t(none)\t0\t(none)\tpubkey\n"
    )
    bash, dbus = parse_rpm(text)
    assert bash == Package("bash", "5.1.8-9.el9", "x86_64", "bash", "5.1.8-9.el9", 7738634, "Rocky", "GPLv3+")
    assert (dbus.version, dbus.source, dbus.source_version) == ("1:1.12.20-8.el9", "dbus", "1.12.20-8.el9")


TEXTS = st.text(min_size=1, max_size=20)


@given(st.lists(st.builds(Package, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(0), TEXTS, TEXTS), max_size=4))
def test_what_is_written_is_read_again(packages: list[Package]) -> None:
    installed = Installed("deb", Distribution("debian", "bookworm", "12"), tuple(packages))
    assert parse_installed(installed.render()) == installed


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "perceus-packages", "version": 2}', "null"])
def test_another_format_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not of format|Expecting value"):
        parse_installed(text)
