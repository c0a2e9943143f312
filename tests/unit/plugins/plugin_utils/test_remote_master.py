# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.plugin_utils.remote_master import (
    COMMAND,
    build_ssh_argv,
    parse_master,
    parse_remote_snapshot,
    read_by_https,
)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://master", ["--", "master", COMMAND]),
        ("ssh://master/", ["--", "master", COMMAND]),
        ("ssh://root@master.example.org", ["-l", "root", "--", "master.example.org", COMMAND]),
        ("ssh://root@10.17.5.1:2222", ["-l", "root", "-p", "2222", "--", "10.17.5.1", COMMAND]),
        ("ssh://[fd00::1]:22", ["-p", "22", "--", "fd00::1", COMMAND]),
    ],
)
def test_ssh_is_asked_with_the_users_configuration_and_asks_nothing(url: str, words: list[str]) -> None:
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ClearAllForwardings=yes"]
    assert build_ssh_argv(parse_master(url), timeout=30) == ["ssh", "-T", *options, *words]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "master",
            "http://master",
            "ssh://",
            "ssh:///etc",
            "ssh://-oProxyCommand=id",
            "ssh://-l@master",
            "file:///x",
        ),
        *("ssh://root@master/etc/passwd", "ssh://master:0", "ssh://master:99999", "ssh://a b", "ssh://master;id"),
        *("https://master?token=x", "https://master#x", "https://", "ssh://[fd00::1", "ssh://ro$(id)ot@master"),
    ],
)
def test_any_other_place_is_refused(url: str) -> None:
    with pytest.raises(PerceusError, match="Cannot use the option 'master'"):
        parse_master(url)


@pytest.mark.parametrize("url", ["ssh://root:sesame@master", "https://root:sesame@master", "https://sesame@master"])
def test_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(PerceusError) as caught:
        parse_master(url)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "a b", "a\nX-Evil: 1", "sesämé", '"sesame"'])
def test_what_is_no_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(PerceusError, match="PERCEUS_INVENTORY_TOKEN") as caught:
        read_by_https(parse_master("https://master"), token=token, ca_file=None, timeout=1)
    assert not token or token not in str(caught.value)


def test_a_master_does_not_decide_where_and_how_programs_run_here() -> None:
    machine = {"name": "n101", "groups": ["nodes"], "facts": {}}
    variables = {"rack": 7, "ansible_user": "admin", "ansible_connection": "local"}
    document = {
        "format": "perceus-inventory",
        "version": 1,
        "warnings": [],
        "vnfs": {},
        "machines": [{**machine, "variables": variables}],
    }
    snapshot = parse_remote_snapshot(json.dumps(document), "ssh://master")
    assert snapshot.machines[0].variables == {"rack": 7, "ansible_user": "admin"}
    [warning] = snapshot.warnings
    assert warning.startswith("Cannot take over ansible_connection from ssh://master:")
