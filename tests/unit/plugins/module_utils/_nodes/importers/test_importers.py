# SPDX-License-Identifier: GPL-3.0-or-later
"""What each importer makes of its sample: every node, every group, every mask."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.draft import Imported
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.formats import parse

N101, N115, N138 = ["00:d0:68:12:09:c5"], ["00:d0:68:12:09:d1"], ["00:25:90:58:57:7a"]
CARRIED: dict[str, list[dict[str, Any]]] = {
    "perceus": [
        {"name": "n101", "macs": N101, "vnfs": "debuntu", "enabled": True},
        {
            "name": "n115",
            "macs": N115,
            "group": "debian6",
            "vnfs": "deb6.stls",
            "enabled": True,
            "description": "second shelf, bad fan",
        },
        {"name": "n138", "macs": N138, "group": "debian7", "vnfs": "deb7.stls", "enabled": False},
    ],
    "perceus_reload": [
        {"name": "n101", "macs": N101, "group": "debuntu", "vnfs": "debuntu", "address": "10.17.5.101"},
        {"name": "n115", "macs": N115, "group": "debian7", "vnfs": "deb7.stls", "address": "10.17.5.115"},
        {"name": "n138", "macs": N138, "group": "debian7", "vnfs": "deb7.stls", "address": "10.17.5.138"},
    ],
    "ethers": [
        {"name": "n101", "macs": N101, "address": "10.17.5.101"},
        {"name": "n115", "macs": N115, "address": "10.17.5.115"},
    ],
    "dnsmasq": [
        {"name": "n101", "macs": N101, "address": "10.17.5.101"},
        {"name": "n115", "macs": N115, "address": "10.17.5.115"},
    ],
    "warewulf3": [
        {
            "name": "n0000",
            "macs": ["52:54:00:aa:00:00"],
            "group": "compute",
            "enabled": True,
            "address": "10.17.5.110",
            "vnfs": "centos7",
            "console": "ttyS1,57600",
            "kernel_args": "net.ifnames=0 biosdevname=0 quiet",
            "variables": {"other_groups": ["rack1"]},
        },
        {
            "name": "n0001",
            "macs": ["52:54:00:aa:00:01"],
            "enabled": False,
            "address": "10.17.5.111",
            "kernel_args": "quiet",
            "boot": "local",
        },
    ],
    "warewulf4": [
        {
            "name": "n1",
            "macs": ["00:00:5e:00:53:01"],
            "group": "default",
            "description": "the first",
            "address": "10.17.5.121",
            "variables": {"bmc_address": "10.19.5.121", "rack": "r1"},
        },
        {"name": "n2", "macs": ["00:00:5e:00:53:02"], "group": "gpu", "address": "10.17.5.122"},
    ],
    "warewulf46": [
        {
            "name": "n1",
            "macs": ["00:00:5e:00:53:11", "00:00:5e:00:53:91"],
            "group": "gpu",
            "kernel_args": "isolcpus=1",
            "address": "10.17.5.131",
        },
    ],
    "rocks_dump": [
        {
            "name": "compute-0-0",
            "macs": ["00:1e:4f:b0:74:ef", "00:1e:4f:b0:74:f0"],
            "group": "compute",
            "address": "10.17.5.141",
            "variables": {"rack": "0", "rank": "0"},
        },
        {
            "name": "nas-0-0",
            "macs": ["00:1e:4f:b0:31:74"],
            "group": "nas_appliance",
            "address": "10.17.5.142",
            "variables": {"rack": "0", "rank": "0"},
        },
    ],
    "oscar": [
        {"name": "oscarnode1", "macs": N101, "vnfs": "oscarimage", "address": "10.17.5.151"},
        {"name": "oscarnode2", "macs": N115, "vnfs": "oscarimage", "address": "10.17.5.152"},
    ],
    "xcat": [
        {
            "name": "cn1",
            "macs": ["34:40:b5:b9:c0:18", "34:40:b5:b9:c0:19"],
            "address": "10.17.5.161",
            "description": "the first",
            "group": "compute",
            "console": "ttyS0,115200",
            "variables": {"other_groups": ["rack1"], "bmc_address": "10.19.5.161"},
        },
        {
            "name": "cn2",
            "macs": ["34:40:b5:b9:c0:20"],
            "address": "10.17.5.162",
            "vnfs": "centos7.5-x86_64-netboot-gpu",
            "group": "compute",
        },
    ],
    "dhcpd": [
        {"name": "n101", "macs": N101, "address": "10.17.5.101", "group": "compute"},
        {"name": "n115", "macs": [*N115, "00:d0:68:12:09:d2"], "address": "10.17.5.115", "group": "compute"},
        {"name": "a64-002", "macs": ["00:e0:81:27:2a:f2"]},
    ],
    "nodes": [
        {
            "name": "n101",
            "macs": N101,
            "group": "debuntu",
            "vnfs": "debuntu",
            "enabled": True,
            "description": 'second shelf, "bad" fan',
            "address": "10.17.5.101",
            "variables": {"rack": "r1"},
        },
        {
            "name": "n115",
            "macs": [*N115, "00:d0:68:12:09:d2"],
            "group": "debian7",
            "enabled": False,
            "kernel_args": "quiet",
            "boot": "local",
            "console": "ttyS0,115200",
            "variables": {"rack": "r2"},
        },
        {"name": "n138", "macs": N138, "group": "debian7"},
    ],
}
CARRIED["rocks_list"] = CARRIED["rocks_dump"]


def reasons(found: Imported) -> dict[str, str]:
    return {part.what: part.reason for part in found.left_out}


def test_no_sample_is_forgotten(samples: dict[str, str]) -> None:
    assert CARRIED.keys() == samples.keys()


@pytest.mark.parametrize("sample", CARRIED)
def test_the_sample_becomes_these_nodes(samples: dict[str, str], sample: str) -> None:
    _format, found = parse(samples[sample])
    assert list(found.nodes) == CARRIED[sample]


@pytest.mark.parametrize("sample", CARRIED)
def test_passwords_are_not_shown(samples: dict[str, str], sample: str) -> None:
    assert "do-not-show-this" not in str(parse(samples[sample]))


def test_warewulf_profiles_and_xcat_groups_become_policy(samples: dict[str, str]) -> None:
    assert parse(samples["warewulf4"])[1].groups == (
        {
            "name": "default",
            "description": "This profile is automatically included for each node",
            "vnfs": "rockylinux-8",
            "kernel_args": "quiet crashkernel=no",
        },
        {
            "name": "gpu",
            "description": "Nodes with accelerators",
            "vnfs": "rockylinux-8-cuda",
            "kernel_args": "quiet crashkernel=no nouveau.modeset=0",
        },
    )
    assert parse(samples["warewulf46"])[1].groups == (
        {"name": "gpu", "vnfs": "rockylinux-9", "kernel_args": "quiet crashkernel=no nouveau.modeset=0"},
    )
    assert parse(samples["xcat"])[1].groups == (
        {"name": "compute", "kernel_args": "quiet", "vnfs": "centos7.5-x86_64-netboot-compute"},
        {"name": "rack1", "console": "ttyS0,115200"},
    )


def test_dnsmasq_and_dhcpd_name_the_machines_of_other_boot_servers(samples: dict[str, str]) -> None:
    assert parse(samples["dnsmasq"])[1].masked == ("00:e0:81:27:2a:f1", "00:e0:81:27:2a:f2")
    assert parse(samples["dhcpd"])[1].masked == ("00:e0:81:27:2a:f1", "00:e0:81:27:2a:f3")


def test_what_was_not_carried_is_said_with_the_reason(samples: dict[str, str]) -> None:
    said = reasons(parse(samples["dhcpd"])[1])
    assert said["include /etc/dhcp/dhcpd-rooms.conf"] == "it is another file: import it too"
    assert said["node 'door'"] == "it has no MAC address of its own"
    said = reasons(parse(samples["xcat"])[1])
    assert said["ip of 'compute'"] == "it is a rule"
    assert said["bmcpassword"] == "secrets are not carried over"
    said = reasons(parse(samples["rocks_list"])[1])
    assert said["host 'frontend'"] == "it is the frontend"
    said = reasons(parse(samples["perceus"])[1])
    assert said["lastcontact"] == "it says what the node did last, not what it is"
    said = reasons(parse(samples["warewulf4"])[1])
    assert said["ipmi"] == "only its address is carried, as the variable bmc_address"
    assert said["netmask of a network device"] == "networks are the cluster's configuration, not a node's"
