# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Lease
from ansible_collections.perceus.cluster.plugins.module_utils._nodes import evidence
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.adoption import apply_adoption, plan_adoption
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.discoveries import Discovery, Hardware
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.record import Evidence
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY, Registry

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
LATER = int(NOW.timestamp()) + 100
MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
BOARD = Hardware(serial="SN-1")

Gather = Callable[..., dict[str, Evidence]]


@pytest.fixture(scope="session")
def gather(config: ClusterConfig) -> Gather:
    """Gather and settle, with one adoption in between as the reconciler does; return evidence by MAC."""

    def gather(
        *leases: Lease,
        before: dict[str, Evidence] | None = None,
        asked: tuple[Discovery, ...] = (),
        registry: Registry = EMPTY,
        masked: frozenset[str] = frozenset(),
        held: frozenset[str] = frozenset(),
        now: datetime = NOW,
        **changed: Any,
    ) -> dict[str, Evidence]:
        changed_config = replace(config, **changed)
        seen = evidence.gather_evidence(before or {}, leases, asked, registry, masked, now=now)
        plan = plan_adoption(leases, registry, changed_config, held=held, now=now, new_machine_id=lambda: "0" * 32)
        after = apply_adoption(plan, registry, changed_config)
        settled = evidence.settle(seen, plan, after, changed_config, held=held, now=now)
        return {machine.mac: machine for machine in settled}

    return gather


def lease(mac: str = MAC, name: str = "") -> Lease:
    return Lease(mac, IPv4Address("10.17.5.20"), LATER, name)


def asked(mac: str = MAC) -> Discovery:
    return Discovery(NOW, IPv4Address("10.17.5.20"), mac, BOARD)


def registry(config: ClusterConfig) -> Registry:
    plan = plan_adoption([lease()], EMPTY, config, now=NOW, new_machine_id=lambda: "0" * 32)
    return apply_adoption(plan, EMPTY, config)


def test_a_node_keeps_the_evidence_of_its_adoption(gather: Gather, config: ClusterConfig) -> None:
    adopted = gather(lease(name="fresh"), asked=(asked(),))
    assert adopted == {MAC: Evidence(MAC, "node", "2030-01-01T00:00:00Z", "10.17.5.20", LATER, "fresh", "adopt", BOARD)}
    moved = Lease(MAC, IPv4Address("10.17.5.101"), LATER + 50)
    assert gather(moved, before=adopted, registry=registry(config)) == adopted


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"adoption": "quarantine"}, "quarantine"),
        ({"adoption": "off"}, "unknown"),
        ({"held": frozenset({MAC})}, "quarantine"),
    ],
)
def test_a_machine_that_is_not_adopted_waits_or_is_unknown(
    changed: dict[str, Any], status: str, gather: Gather
) -> None:
    assert gather(lease(), **changed)[MAC].status == status


def test_a_machine_from_quarantine_became_a_node_by_an_operator(gather: Gather, config: ClusterConfig) -> None:
    waiting = gather(lease(), adoption="quarantine")
    approved = gather(before=waiting, registry=registry(config), adoption="quarantine")
    assert approved == {MAC: replace(waiting[MAC], status="node", why="operator")}


def test_a_node_that_was_never_seen_before_it_booted_has_its_board(gather: Gather, config: ClusterConfig) -> None:
    [machine] = gather(asked=(asked(), asked(OTHER_MAC)), registry=registry(config)).values()
    assert (machine.mac, machine.status, machine.why, machine.hardware) == (MAC, "node", "operator", BOARD)


def test_masked_machines_and_removed_nodes_leave_nothing(gather: Gather) -> None:
    adopted = gather(lease())
    assert gather(lease(), before=adopted, masked=frozenset({MAC}), adoption="off") == {}
    assert gather(before=adopted) == {}


def test_a_machine_is_remembered_for_a_week_after_its_lease(gather: Gather) -> None:
    waiting = gather(lease(), adoption="quarantine")
    assert gather(before=waiting, adoption="quarantine", now=NOW + timedelta(days=6)) == waiting
    assert gather(before=waiting, adoption="quarantine", now=NOW + timedelta(days=8)) == {}


def test_who_invents_machines_does_not_fill_the_disk(gather: Gather, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST", 3)
    leases = [lease(f"52:54:00:00:00:{number:02x}") for number in range(1, 9)]
    assert len(gather(*leases, adoption="quarantine")) == 3
    assert len(gather(*leases, adoption="adopt")) == 4 + 3  # four are nodes


def test_who_asked_a_proxys_master_holds_an_address_for_two_minutes() -> None:
    [lent] = evidence.lent_otherwise([asked(), asked()])
    assert (lent.mac, lent.is_live(NOW), lent.is_live(NOW + timedelta(minutes=3))) == (MAC, True, False)
