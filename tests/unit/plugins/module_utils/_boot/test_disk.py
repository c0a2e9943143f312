# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.disk import Disk, parse_disk
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options


def test_the_only_disk_is_taken_whole_where_nothing_is_said() -> None:
    assert parse_disk({}) == Disk()
    assert Disk().kernel_args == ("perceus.disk=any", "perceus.layout=ext4:::")


def test_what_is_said_last_wins_and_the_rest_stays() -> None:
    disk = parse_disk(
        {"disks": ["serial=A,size=100-500"], "swap": 512}, {"root": 4096, "data": "/srv", "filesystem": "xfs"}
    )
    assert disk.kernel_args == ("perceus.disk=serial=A,size=100-500", "perceus.layout=xfs:512:4096:/srv")


def test_two_disks_are_named_one_by_one() -> None:
    disks = ["/dev/disk/by-id/ata-X_1", "serial=B"]
    assert parse_disk({"disks": disks}).kernel_args[:2] == tuple(f"perceus.disk={selector}" for selector in disks)


@pytest.mark.parametrize(
    "said",
    [
        {"disks": []},
        {"disks": ["any", "any", "any"]},
        {"disks": ["sda"]},
        {"disks": ["/dev/../etc"]},
        {"disks": ["serial=a b"]},
        {"disks": ["size=10"]},
        {"disks": ["size=20-10"]},
        {"disks": "any"},
        {"filesystem": "btrfs"},
        {"swap": 1},
        {"root": -1},
        {"swap": "512"},
        {"data": "/srv"},
        {"root": 4096, "data": "/etc/x"},
        {"root": 4096, "data": "srv"},
        {"root": 4096, "data": "/srv x"},
        {"raid": 5},
    ],
)
def test_what_makes_no_installation_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(PerceusError):
        parse_disk(said)
    with pytest.raises(PerceusError):
        Options(disk=said)
    with pytest.raises(PerceusError):
        Options(overrides={"nodes": {"n101": {"disk": said}}})


def test_another_layout_is_another_generation_where_it_is_used() -> None:
    assert Options(disk={"swap": 512}).shaping == Options().shaping
    assert Options(root_mode="disk", disk={"swap": 512}).shaping != Options(root_mode="disk").shaping
