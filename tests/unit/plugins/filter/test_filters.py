# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's filters."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.perceus.cluster.plugins.filter.address_count import address_count
from ansible_collections.perceus.cluster.plugins.filter.cluster_config import cluster_config
from ansible_collections.perceus.cluster.plugins.filter.table import table

from tests.cluster import cluster_settings

SETTINGS = {key: value for key, value in cluster_settings(Path("/var/lib/perceus")).items() if key != "version"}


def test_settings_become_the_masters_configuration() -> None:
    assert cluster_config(SETTINGS) == {"version": 1, **SETTINGS}


def test_every_problem_is_named() -> None:
    with pytest.raises(AnsibleFilterError) as failure:
        cluster_config({**SETTINGS, "domain": "Bad_Domain", "lease_time": 5})
    assert "'Bad_Domain'" in str(failure.value)
    assert "at least 120" in str(failure.value)


def test_both_ends_of_a_range_count() -> None:
    assert address_count("10.17.5.101-10.17.5.250") == 150
    assert address_count("10.17.5.9 - 10.17.5.9") == 1


@pytest.mark.parametrize("addresses", ["", "10.17.5.1", "10.17.5.1-n9", "10.17.5.1-10.17.5.2-10.17.5.3"])
def test_what_is_no_range_is_not_counted(addresses: str) -> None:
    with pytest.raises(AnsibleFilterError, match="not a range"):
        address_count(addresses)


def test_a_table_is_as_wide_as_what_stands_in_it() -> None:
    rows = [{"name": "n101", "enabled": True, "state": None}, {"name": "login-node", "enabled": False}]
    assert table(rows, {"HostName": "name", "Enabled": "enabled", "State": "state"}) == [
        "HostName    Enabled  State",
        "n101        yes      -",
        "login-node  no       -",
    ]


def test_a_table_of_nothing_has_its_headings() -> None:
    assert table([], {"HostName": "name"}) == ["HostName"]


def test_a_table_shows_bytes_and_lists_for_people() -> None:
    rows: list[dict[str, object]] = [
        {"name": "a", "size": 1572864, "nodes": ["n1", "n2"]},
        {"name": "b", "size": None, "nodes": []},
    ]
    assert table(rows, {"Size": "size", "Nodes": "nodes"}, sizes=["size"]) == [
        "Size     Nodes",
        "1.5 MiB  n1, n2",
        "-        -",
    ]


def test_a_table_shows_what_stands_deeper() -> None:
    rows: list[dict[str, object]] = [
        {"name": "n101", "stages": {"fetch": {"after": 15}}},
        {"name": "n102", "stages": {}},
        {"stages": "none"},
    ]
    assert table(rows, {"HostName": "name", "Fetch": "stages.fetch.after"}) == [
        "HostName  Fetch",
        "n101      15",
        "n102      -",
        "-         -",
    ]
