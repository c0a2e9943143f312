# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does with nodes, groups and masks: check mode's word is compared with what the run then does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._master import hostkeys, identity

from tests.integration.lease_files.servers import wait_for

from .conftest import Cluster, mac

FAR = 4_000_000_000  # seconds since 1970


@pytest.mark.parametrize(
    ("module", "options", "lines"),
    [
        ("node", {"name": "n[101-102]", "vnfs": "rocky-9", "enabled": False}, 2),
        ("node", {"name": "n103", "group": "spare", "variables": {"rack": {"row": 7}}, "description": "für später"}, 2),
        ("node", {"name": "n102", "address": "10.17.9.9", "boot": "local", "console": "ttyS0,115200"}, 1),
        ("node", {"nodes": [{"name": "n*", "kernel_args": "quiet"}, {"name": "n102", "kernel_args": "debug"}]}, 3),
        ("node", {"nodes": [{"name": "n102", "macs": [mac(2)], "vnfs": "debian"}], "state": "declared"}, 1),
        ("node", {"name": "n102,n999,x*", "state": "absent"}, 0),
        ("node", {"nodes": [{"name": "n101"}, {"macs": [mac(2)]}], "state": "absent"}, 0),
        ("node", {"name": "n102", "state": "replaced", "replacement": mac(3)}, 1),
        ("node", {"name": "n102", "state": "replaced", "replacement": "52:54:00:00:00:99"}, 1),
        ("node", {"name": "n102", "state": "renamed", "new_name": "stunt"}, 1),
        ("node_group", {"name": "viz", "vnfs": "rocky-9", "kernel_args": "nomodeset", "overlays": ["gpu"]}, 1),
        ("node_group", {"groups": [{"name": "compute", "boot": "local"}, {"name": "spare"}]}, 2),
        ("node_group", {"groups": [{"name": "viz"}, {"name": "compute"}, {"name": "x"}], "state": "declared"}, 1),
        ("node_group", {"name": "viz", "state": "absent", "move_to": "compute"}, 1),
        ("node_mask", {"macs": ["52-54-00-00-00-66"], "reason": "the storage's"}, 1),
    ],
)
def test_check_mode_foresees_what_is_done_and_a_second_run_changes_nothing(
    three: Cluster, module: str, options: dict[str, Any], lines: int
) -> None:
    done = three.check_and_do(module, **options)
    assert len(done["diff"]["after"].splitlines()) == lines


def test_a_mask_goes_again(three: Cluster) -> None:
    three.do("node_mask", macs=["52:54:00:00:00:66"], reason="the storage's")
    assert three.registry.masked == {"52:54:00:00:00:66": "the storage's"}
    three.check_and_do("node_mask", macs=["52:54:00:00:00:66"], state="absent")
    assert three.registry.masked == {}


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        ("node", {"name": "n101", "vnfs": "nope"}, ["nope", "debian, rocky-9"]),
        ("node", {"name": "n104", "macs": [mac(1)]}, ["'n104'", "'n101'", mac(1)]),
        ("node", {"name": "n101", "macs": [mac(9)], "state": "added"}, ["'n101'", mac(1), mac(9), "nodes_replace"]),
        ("node", {"name": "", "state": "absent"}, ["none are named"]),
        ("node", {"name": "", "vnfs": "debian"}, ["none are named"]),
        ("node", {"name": "n101", "address": "10.17.5.102"}, ["'n101'", "'n102'", "10.17.5.102"]),
        ("node", {"name": "n101", "address": "10.17.64.9"}, ["discovery_range"]),
        ("node", {"name": "n[101-109]"}, ["n104, n105, n106, n107, n108 and 1 more"]),
        ("node", {"name": "n102", "state": "renamed", "new_name": "n103"}, ["'n102'", "'n103'"]),
        ("node", {"name": "n109", "state": "replaced", "replacement": mac(1)}, ["'n109'"]),
        ("node", {"nodes": [{"name": "n101", "vnfs": "debian"}, {"name": "n9"}]}, ["n9"]),
        ("node_group", {"name": "viz", "state": "absent"}, ["'viz'", "n103", "move_to"]),
        ("node_group", {"groups": [{"name": "viz"}], "state": "declared"}, ["'compute'", "n101, n102"]),
        ("node_mask", {"macs": [mac(1)]}, ["'n101'", mac(1)]),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_nothing_is_changed(
    three: Cluster, module: str, options: dict[str, Any], words: list[str]
) -> None:
    said = three.refuse(module, **options)
    assert [word for word in words if word not in said] == [], said


def test_a_new_node_foreseen_by_check_mode_is_the_one_that_is_made(cluster: Cluster) -> None:
    cluster.config.registry.write_text('{"format": "perceus-nodes", "version": 1, "groups": {}, "nodes": []}')
    options = {"macs": [mac(7)], "_ansible_diff": True}
    check, run = (cluster.do("node", **options, _ansible_check_mode=check) for check in (True, False))
    assert check["added"] == run["added"] == ["n101"]
    assert not cluster.do("node", **options)["changed"]


def test_a_removed_nodes_number_is_the_next_one_given(three: Cluster) -> None:
    three.do("node", name="n102", state="absent")
    assert three.do("node", macs=[mac(8)])["added"] == ["n102"]


def test_who_is_told_what_by_whom_is_shown(three: Cluster) -> None:
    three.do("node_group", name="viz", vnfs="rocky-9", kernel_args="nomodeset", console="ttyS1")
    three.do("node", name="n103", boot="local", kernel_args="debug", description="the stunt node")
    three.do("node_mask", macs=["52:54:00:00:00:66"])
    three.config.reports.write_text("")
    found = three.do("node_info", name="@viz")
    [node] = found["nodes"]
    expected = {
        "name": "n103",
        "macs": [mac(3)],
        "vnfs": "rocky-9",
        "vnfs_origin": "group",
        "boot": "local",
        "boot_origin": "node",
        "console": "ttyS1",
        "console_origin": "group",
        "kernel_args": "nomodeset debug",
        "kernel_args_origins": {"group": "nomodeset", "node": "debug"},
        "description": "the stunt node",
    }
    assert {key: node[key] for key in expected} == expected
    assert [(group["name"], group["nodes"], group["vnfs"]) for group in found["groups"]] == [
        ("compute", ["n101", "n102"], "debian"),
        ("viz", ["n103"], "rocky-9"),
    ]
    assert (found["masked"], found["counts"]["nodes"]) == ({"52:54:00:00:00:66": ""}, 1)
    assert "no node matches n9" in three.call("node_info", name="n9")["msg"]


@pytest.fixture
def keys(three: Cluster) -> Path:
    """The folder of host keys, in which each node has one; ``known_hosts`` has them too."""
    for name in three.registry.by_name:
        folder = three.config.hostkeys / name
        folder.mkdir(mode=0o700, parents=True)
        (folder / hostkeys.HOST_KEY).write_text(f"private of {name}")
        (folder / f"{hostkeys.HOST_KEY}.pub").write_text(f"ssh-ed25519 {name} {name}\n")
    three.config.reports.write_text("")
    assert sorted(known_hosts(three)) == ["n101", "n102", "n103"]
    return three.config.hostkeys


def known_hosts(cluster: Cluster) -> dict[str, str]:
    """Whose key the master knows under which name, after the identity service ran."""
    assert identity.run(lambda: cluster.config) == 0
    lines = (cluster.config.state_dir / "known_hosts").read_text().splitlines()
    return {line.split(",")[0]: line.split()[-1] for line in lines if not line.startswith("@cert-authority ")}


def test_host_keys_go_with_their_nodes(three: Cluster, keys: Path) -> None:
    three.do("node", name="n102", state="absent", _ansible_check_mode=True)
    assert (keys / "n102").exists()
    three.do("node", name="n102", state="absent")
    assert sorted(path.name for path in keys.iterdir()) == ["n101", "n103"]
    three.do("node", nodes=[{"name": "n103", "macs": [mac(3)]}], state="declared")
    assert sorted(path.name for path in keys.iterdir()) == ["n103"]
    assert known_hosts(three) == {"n103": "n103"}


def test_a_replacement_has_the_key_of_the_node_and_its_own_is_no_more(three: Cluster, keys: Path) -> None:
    three.do("node", name="n101", state="replaced", replacement="n103")
    assert known_hosts(three) == {"n101": "n101", "n102": "n102"}
    assert sorted(path.name for path in keys.iterdir()) == ["n101", "n102"]


def test_a_renamed_node_keeps_its_key_whatever_a_killed_run_left(three: Cluster, keys: Path) -> None:
    (keys / "stunt").mkdir()
    three.do("node", name="n101", state="renamed", new_name="stunt")
    assert known_hosts(three) == {"stunt": "n101", "n102": "n102", "n103": "n103"}


@pytest.mark.parametrize(
    ("module", "options", "gone"),
    [
        ("node", {"name": "n102", "state": "absent"}, "node 'n102'"),
        ("node", {"name": "n102", "state": "renamed", "new_name": "stunt"}, "node 'n102'"),
        ("node", {"nodes": [{"name": "n101", "macs": [mac(1)]}], "state": "declared"}, "node 'n102'"),
        ("node_group", {"name": "viz", "state": "absent", "move_to": "compute"}, "group 'viz'"),
    ],
)
def test_what_a_vnfs_still_has_for_who_is_no_more_is_told(
    three: Cluster, module: str, options: dict[str, Any], gone: str
) -> None:
    options_of = {"n101": {"kernel_args": "debug"}, "n102": {"kernel_args": "nomodeset"}}
    overrides = {"nodes": options_of, "groups": {"viz": {"kernel_args": "quiet"}}}
    (three.config.store / "debian/overrides.json").write_text(json.dumps(overrides))
    for check in (True, False):
        [warning] = three.call(module, **options, _ansible_check_mode=check)["warnings"]
        assert f"VNFS 'debian' has overrides for {gone} still" in str(warning)
    assert not three.call(module, **options).get("warnings")


def test_a_machine_that_is_no_node_any_more_becomes_one_by_its_next_lease_only(three: Cluster) -> None:
    leases = three.config.leases
    leases.write_text(f"{FAR} {mac(1)} 10.17.5.101 * *\n{FAR} {mac(2)} 10.17.5.102 * *\n")
    three.do("node", name="n101", state="absent")
    three.do("node", name="n102", state="replaced", replacement="52:54:00:00:00:99")
    three.reconcile()
    assert list(three.registry.by_name) == ["n102", "n103"]
    leases.write_text(f"{FAR} {mac(1)} 10.17.5.101 * *\n{FAR + 1} {mac(2)} 10.17.64.9 * *\n")
    assert f"adopted {mac(2)} as n101 10.17.5.101" in three.reconcile()
    assert three.registry.dismissed == {mac(1): FAR, mac(2): FAR}
    three.do("node", name="n104", macs=[mac(1)])
    assert three.registry.dismissed == {}


def test_what_follows_from_a_node_follows_and_goes(three: Cluster) -> None:
    boot, dnsmasq = three.config.state_dir / "boot", three.config.state_dir / "dnsmasq"
    three.do("node", name="n103", boot="shell")
    three.reconcile()
    assert "shell ||\n" in (boot / "52-54-00-00-00-03.ipxe").read_text()
    three.do("node", name="n103", state="replaced", replacement="52:54:00:00:00:99")
    three.do("node", name="n102", state="absent")
    three.reconcile()
    assert sorted(path.name for path in boot.iterdir() if path.name.startswith("52")) == [
        "52-54-00-00-00-01.ipxe",
        "52-54-00-00-00-99.ipxe",
    ]
    served = "".join(path.read_text() for path in sorted(dnsmasq.iterdir()))
    assert "52:54:00:00:00:99" in served
    assert [gone for gone in (mac(3), mac(2), "n102", "10.17.5.102") if gone in served] == []


def test_a_replacement_gets_the_nodes_address_on_the_wire(three: Cluster, dnsmasq: Any, clients: Any) -> None:
    three.reconcile(dnsmasq.reload)
    three.do("node", name="n101", state="replaced", replacement="52:54:00:00:00:99")
    three.reconcile(dnsmasq.reload)
    wait_for("10.17.5.101", lambda: clients.boot("52:54:00:00:00:99").address)
    clients.boot(mac(1))  # the old machine is nobody now
    three.reconcile(dnsmasq.reload)
    assert three.registry.by_mac[mac(1)].name == "n104"
