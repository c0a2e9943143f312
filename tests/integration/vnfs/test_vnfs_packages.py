# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of a tree whose database is rpm's, with a package that is built here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import walk_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.packages import Package, load_installed

SPEC = """\
Name: zoo
Epoch: 2
Version: 1.0
Release: 3
Summary: Animals
License: GPLv2+
Vendor: The zoo
BuildArch: noarch
%description
Animals
%install
mkdir -p %{buildroot}/srv
echo lion > %{buildroot}/srv/zoo
%files
/srv/zoo
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rpm")
    (folder / "zoo.spec").write_text(SPEC)
    subprocess.run(["rpmbuild", "--quiet", "-bb", "-D", f"_topdir {folder}", folder / "zoo.spec"], check=True)
    return folder / "RPMS/noarch/zoo-1.0-3.noarch.rpm"


@pytest.mark.parametrize("database", ["/usr/lib/sysimage/rpm", "/var/lib/rpm"])
def test_the_database_of_rpm_is_read_by_rpm_and_not_written(package: Path, tmp_path: Path, database: str) -> None:
    subprocess.run(["rpm", "--root", tmp_path, "--dbpath", database, "--install", package], check=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID="rocky"\nVERSION_ID="9.4"\n')
    before = walk_tree(tmp_path).entries
    installed = load_installed(tmp_path, runner=CommandRunner())
    assert (installed.kind, installed.distribution.name, installed.distribution.version) == ("rpm", "rocky", "9.4")
    assert installed.packages == (Package("zoo", "2:1.0-3", "noarch", "zoo", "1.0-3", 5, "The zoo", "GPLv2+"),)
    assert walk_tree(tmp_path).entries == before
