# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._names import parse_node_name
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.hosts import VnfsHost, load_hosts

SERVED = "0123456789abcdef"


def test_every_tree_is_a_host_published_or_not(tmp_path: Path) -> None:
    for name in ("debian", "alma"):
        (tmp_path / name / "rootfs").mkdir(parents=True)
    (tmp_path / "debian/current").symlink_to(f"images/{SERVED}")
    assert load_hosts(tmp_path) == ((VnfsHost("alma", None), VnfsHost("debian", SERVED)), ())


def test_what_has_no_tree_is_no_host(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/rootfs").symlink_to("/")
    assert load_hosts(tmp_path) == ((), ())


def test_what_cannot_be_a_vnfs_is_named_and_hides_no_other(tmp_path: Path) -> None:
    for name in ("debian", "{{ x }}"):
        (tmp_path / name / "rootfs").mkdir(parents=True)
    hosts, warnings = load_hosts(tmp_path)
    assert [host.name for host in hosts] == ["debian.vnfs"]
    assert warnings == ("Cannot name a VNFS '{{ x }}': not a plain name. It is no host",)


def test_a_store_that_cannot_be_listed_is_a_warning_and_one_that_is_not_there_is_empty(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    hosts, [warning] = load_hosts(tmp_path / "file")
    assert hosts == ()
    assert warning == f"Cannot list the VNFSs in {str(tmp_path / 'file')!r}: Not a directory. None of them is a host"
    assert load_hosts(tmp_path / "nowhere") == ((), ())


def test_no_node_can_be_called_as_a_vnfs_is() -> None:
    with pytest.raises(PerceusError):
        parse_node_name(VnfsHost("debian", None).name)
