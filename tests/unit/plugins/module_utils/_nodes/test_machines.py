# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from ipaddress import IPv4Address

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Lease
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.discoveries import Hardware
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import Machine, view_machines
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.record import Alarm, Evidence, Record
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY, Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._reports import LastWord, Report

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
SOON = int(NOW.timestamp()) + 60
FIRST, SECOND = "52:54:00:00:00:01", "52:54:00:00:00:02"
NODE = Node(
    name="n101",
    macs=(FIRST, SECOND),
    address=IPv4Address("10.17.5.101"),
    group="compute",
    enabled=True,
    machine_id="0" * 32,
    adopted="2030-01-01T00:00:00Z",
)


def lease(mac: str, address: str, expiry: int | None = SOON) -> Lease:
    return Lease(mac, IPv4Address(address), expiry)


def word(stage: str, time: str, generation: str = "") -> LastWord:
    return LastWord(Report(time, NODE.address, stage, FIRST, generation, "", "", ""), generation, time)


def view_node(config: ClusterConfig, *leases: Lease, words: dict[str, LastWord] | None = None) -> Machine:
    [node], _unknown = view_machines(
        Registry({}, (NODE,)), {lease.mac: lease for lease in leases}, words or {}, config, now=NOW
    )
    return node


def test_a_node_that_nobody_has_seen_is_only_a_node(config: ClusterConfig) -> None:
    node = view_node(config)
    assert node.groups == ("nodes", "group_compute", "vnfs_debian")
    assert [fact for fact, value in node.facts.items() if value is None] == [
        "vnfs_kernel_args",
        "vnfs_kernel_args_origin",
        "lease_address",
        "lease_expiry",
        "lease_name",
        "state",
        "generation",
        "reported",
        "heard",
    ]


def test_a_nodes_address_is_the_registrys_whatever_its_lease_says(config: ClusterConfig) -> None:
    facts = view_node(config, lease(FIRST, "10.17.5.20")).facts
    assert (facts["address"], facts["lease_address"]) == ("10.17.5.101", "10.17.5.20")


def test_of_two_leases_the_one_that_ends_last_counts(config: ClusterConfig) -> None:
    node = view_node(config, lease(FIRST, "10.17.5.20", SOON - 120), lease(SECOND, "10.17.5.101"))
    assert (node.facts["lease_address"], "live" in node.groups) == ("10.17.5.101", True)


@pytest.mark.parametrize(("expiry", "group"), [(SOON, "live"), (None, "live"), (SOON - 120, "expired")])
def test_a_machine_is_live_while_its_lease_is(config: ClusterConfig, expiry: int | None, group: str) -> None:
    found = lease(FIRST, "10.17.5.20", expiry)
    assert {"live", "expired"} & set(view_node(config, found).groups) == {group}
    _nodes, [machine] = view_machines(EMPTY, {FIRST: found}, {}, config, now=NOW)
    assert machine.groups == ("unknown", group)
    assert machine.facts["lease_expiry"] == (expiry or 0)


def test_of_two_interfaces_the_one_that_spoke_last_is_heard(config: ClusterConfig) -> None:
    words = {
        FIRST: word("fetch", "2029-12-31T23:59:01+00:00"),
        SECOND: word("ready", "2029-12-31T23:59:02+00:00", "ab"),
    }
    node = view_node(config, words=words)
    assert (node.facts["state"], node.facts["generation"]) == ("ready", "ab")
    assert "state_ready" in node.groups


@pytest.mark.parametrize(
    ("heard", "state", "group"),
    [
        ("2029-12-31T23:50:01+00:00", "ready", "state_ready"),
        ("2030-01-01T01:50:01+02:00", "ready", "state_ready"),
        ("2029-12-31T23:49:59+00:00", "timed_out", "timed_out"),
        ("2030-01-01T00:00:00", "timed_out", "timed_out"),
        ("yesterday", "timed_out", "timed_out"),
    ],
)
def test_a_node_that_fell_silent_has_timed_out(config: ClusterConfig, heard: str, state: str, group: str) -> None:
    said = replace(word("ready", "2029-12-31T00:00:00+00:00"), heard=heard)
    node = view_node(config, words={FIRST: said})
    assert (node.facts["state"], node.facts["heard"], node.groups[-1]) == (state, heard, group)


def test_a_masked_machine_is_not_shown(config: ClusterConfig) -> None:
    masked = replace(config, masked_macs=frozenset({FIRST}))
    assert view_machines(EMPTY, {FIRST: lease(FIRST, "10.17.5.20")}, {}, masked, now=NOW) == ((), ())


def test_machines_in_quarantine_and_alarms_are_groups_whether_a_lease_is_left_or_not(config: ClusterConfig) -> None:
    stranger, gone = "52:54:00:00:00:08", "52:54:00:00:00:09"
    board = Hardware("Acme", "Twin", "SN-1", "")
    record = Record(
        (
            Evidence(stranger, "quarantine", "2030-01-01T00:00:00Z", "10.17.5.20", SOON, hardware=board),
            Evidence(gone, "unknown", "2029-12-31T00:00:00Z", "10.17.5.21", 1),
        ),
        (Alarm("new_mac", (stranger,), ("n101",), "2030-01-01T00:00:00Z", "It is so", "Do this"),),
    )
    leases = {stranger: lease(stranger, "10.17.5.20")}
    [node], unknown = view_machines(Registry({}, (NODE,)), leases, {}, config, now=NOW, record=record)
    assert (node.groups[-1], node.facts["alarms"]) == ("alarm_new_mac", ["It is so. Do this"])
    assert [machine.groups for machine in unknown] == [("unknown", "live", "quarantine", "alarm_new_mac"), ("unknown",)]
    assert [machine.facts["serial"] for machine in unknown] == ["SN-1", None]
    assert unknown[1].facts["address"] == "10.17.5.21"


def test_masked_machines_are_nowhere(config: ClusterConfig) -> None:
    record = Record((Evidence(SECOND, "quarantine", "2030-01-01T00:00:00Z", "10.17.5.20", SOON),))
    leases = {mac: lease(mac, "10.17.5.20") for mac in (FIRST, SECOND)}
    masking = replace(config, masked_macs=frozenset({SECOND}))
    assert view_machines(Registry({}, (), {FIRST: "storage"}), leases, {}, masking, now=NOW, record=record) == ((), ())
