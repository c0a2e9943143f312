# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ConfigError, load_config, parse_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._master.__main__ import main
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster import cluster_settings

GOOD = cluster_settings(
    Path("/var/lib/perceus"),
    address="10.17.5.1/24",
    discovery_range="10.17.5.20-10.17.5.90",
    masked_macs=["52-54-00-AA-BB-CC"],
    console="ttyS0,115200",
    leases="/var/lib/misc/dnsmasq.leases",
    reports="/var/log/perceus/reports.log",
    state_dir="/var/lib/perceus",
)


def problems_of(**changed: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(json.dumps({**GOOD, **changed}))
    return [str(problem) for problem in caught.value.problems]


def test_numbers_fix_names_and_addresses() -> None:
    config = parse_config(json.dumps(GOOD))
    assert config.numbers == range(101, 251)
    assert (config.name_of(101), config.address_of(101)) == ("n101", IPv4Address("10.17.5.101"))
    assert (config.name_of(250), config.address_of(250)) == ("n250", IPv4Address("10.17.5.250"))
    assert parse_config(json.dumps({**GOOD, "node_first": 1})).name_of(7) == "n007"


def test_urls_and_paths_follow_from_the_settings() -> None:
    config = parse_config(json.dumps(GOOD))
    assert config.boot_url("start.ipxe") == "http://10.17.5.1/boot/start.ipxe"
    assert config.report_url == "http://10.17.5.1/report"
    assert config.image_url("debian", "0" * 16, "vmlinuz") == f"http://10.17.5.1/vnfs/debian/{'0' * 16}/vmlinuz"
    assert config.registry == Path("/var/lib/perceus/nodes.json")
    assert config.masked_macs == {"52:54:00:aa:bb:cc"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"version": 2}, "Cannot read version 2"),
        ({"interface": "eth 1"}, "an interface's name"),
        ({"address": "10.17.5.1"}, "no network that has room"),
        ({"address": "10.17.5.1/31"}, "no network that has room"),
        ({"address": "10.17.5.0/24"}, "no host can have this address"),
        ({"address": "fd00::1/64"}, "not an IPv4 address"),
        ({"domain": "Cluster_Internal"}, "a lower-case domain name"),
        ({"node_range": "10.17.5.101"}, "not a range"),
        ({"node_range": "10.17.5.250-10.17.5.101"}, "it ends before it begins"),
        ({"node_range": "10.17.6.101-10.17.6.250"}, "not inside the network 10.17.5.0/24"),
        ({"node_range": "10.17.5.101-10.17.5.255"}, "Choose between 10.17.5.1 and 10.17.5.254"),
        ({"address": "10.17.5.99/24", "discovery_range": "10.17.5.0-10.17.5.90"}, "not inside the network"),
        ({"discovery_range": "10.17.5.1-10.17.5.90"}, "it holds the master's own address 10.17.5.1"),
        ({"discovery_range": "10.17.5.20-10.17.5.101"}, "they share addresses. Set the ranges apart"),
        ({"node_name": "n"}, "nowhere for the number"),
        ({"node_name": "n#-#"}, "nowhere for the number"),
        ({"node_name": "N###"}, "not a host name"),
        ({"node_name": "###"}, "not a host name"),
        ({"node_name": "n##"}, "number 250 has more than 2 digits. Add a # to node_name"),
        ({"node_first": -1}, "at least 0"),
        ({"node_first": True}, "not of type int"),
        ({"node_first": "101"}, "not of type int"),
        ({"default_group": "a-b"}, "Cannot name a group"),
        ({"default_vnfs": "a/b"}, "Cannot name a VNFS"),
        ({"adoption": "maybe"}, "it must be 'adopt', 'quarantine' or 'off'"),
        ({"dhcp_mode": "relay"}, "it must be 'server' or 'proxy'"),
        ({"masked_macs": ["nonsense"]}, "as a MAC address"),
        ({"masked_macs": [7]}, "as a MAC address"),
        ({"masked_macs": "52:54:00:00:00:01"}, "not of type list"),
        ({"image_servers": ["http://10.17.5.2"]}, "as an image server: not a mapping"),
        ({"image_servers": {"url": "http://10.17.5.2"}}, "not of type list"),
        ({"console": "tty0 init=/bin/sh"}, "a console such as tty0"),
        ({"kernel_args": "a && b"}, "iPXE would change them"),
        ({"lease_time": 60}, "at least 120"),
        ({"leases": "leases"}, "not an absolute path"),
        ({"surprise": 1}, "no such setting. Remove it"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    problems = problems_of(**changed)
    assert len(problems) == 1
    assert reason in problems[0]
    assert problems[0].startswith("Cannot ")


@pytest.mark.parametrize("key", sorted(set(GOOD) - {"version"}))
def test_every_setting_must_be_there(key: str) -> None:
    with pytest.raises(ConfigError, match=f"Cannot find it \\(setting '{key}'\\)"):
        parse_config(json.dumps({other: value for other, value in GOOD.items() if other != key}))


def test_all_problems_are_found_at_once() -> None:
    assert len(problems_of(adoption="maybe", node_name="n", lease_time=1)) == 3


@given(text=st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_other_text_is_refused_by_a_perceus_error(text: str) -> None:
    with pytest.raises(PerceusError):
        parse_config(text)


def test_a_missing_file_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(PerceusError, match=r"No such file or directory\. Run playbooks/site\.yml"):
        load_config(tmp_path / "cluster.json")


def test_check_config_prints_a_line_for_each_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps({**GOOD, "adoption": "maybe", "lease_time": 1}))
    assert main(["check-config", str(file)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["Cannot", "Cannot"]


def test_check_config_is_silent_about_a_good_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(GOOD))
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_config_of_no_file_fails_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(tmp_path / "absent.json")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
