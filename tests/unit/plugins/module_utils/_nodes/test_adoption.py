# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from ipaddress import IPv4Address
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Lease
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.adoption import (
    AdoptionPlan,
    apply_adoption,
    plan_adoption,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY, Group, Registry
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
LATER = int(NOW.timestamp()) + 100
Plan = Callable[..., AdoptionPlan]


@pytest.fixture(scope="session")
def plan(config: ClusterConfig) -> Plan:
    """Plan with machine ids that count up; ``changed`` are settings."""

    def plan(leases: list[Lease], registry: Registry = EMPTY, **changed: Any) -> AdoptionPlan:
        ids = (f"{number:032x}" for number in itertools.count(1))
        return plan_adoption(leases, registry, replace(config, **changed), now=NOW, new_machine_id=lambda: next(ids))

    return plan


@pytest.fixture(scope="session")
def full(plan: Plan, config: ClusterConfig) -> Registry:
    """A registry without a free number."""
    return apply_adoption(plan([machine(number) for number in (101, 102, 103, 104)]), EMPTY, config)


def machine(number: int, *, expiry: int | None = LATER, address: str = "10.17.5.20") -> Lease:
    return Lease(f"52:54:00:00:00:{number:02x}", IPv4Address(address), expiry)


def adopted(plan: AdoptionPlan) -> dict[str, str]:
    return {node.macs[0]: node.name for node in plan.nodes}


def only(registry: Registry, *numbers: int) -> Registry:
    """The registry without its other nodes."""
    return Registry(registry.groups, tuple(node for node in registry.nodes if int(node.name[1:]) in numbers))


def test_a_new_machine_becomes_the_first_node(plan: Plan) -> None:
    [node] = plan([machine(1)]).nodes
    assert (node.name, str(node.address), node.group) == ("n101", "10.17.5.101", "compute")
    assert (node.enabled, node.vnfs, node.adopted) == (True, None, "2030-01-01T00:00:00Z")
    assert node.machine_id == f"{1:032x}"


def test_gaps_are_filled_first(plan: Plan, full: Registry) -> None:
    assert adopted(plan([machine(1), machine(2)], only(full, 101, 103))) == {
        "52:54:00:00:00:01": "n102",
        "52:54:00:00:00:02": "n104",
    }


def test_a_number_whose_address_an_administrator_gave_away_is_not_free(plan: Plan, full: Registry) -> None:
    registry = only(full, 101)
    moved = replace(registry.nodes[0], name="login")
    assert adopted(plan([machine(1)], Registry({}, (moved,)))) == {"52:54:00:00:00:01": "n102"}


def test_a_number_whose_name_is_taken_is_not_free(plan: Plan, full: Registry) -> None:
    registry = only(full, 101)
    moved = replace(registry.nodes[0], address=IPv4Address("10.17.5.200"))
    assert adopted(plan([machine(1)], Registry({}, (moved,)))) == {"52:54:00:00:00:01": "n102"}


def test_the_order_is_that_of_the_leases_ends_and_then_of_the_macs(plan: Plan) -> None:
    leases = [machine(4, expiry=None), machine(3, expiry=LATER + 1), machine(2), machine(1)]
    assert list(adopted(plan(leases)).values()) == ["n101", "n102", "n103", "n104"]
    assert list(adopted(plan(leases))) == [machine(number).mac for number in (1, 2, 3, 4)]


@given(shuffled=st.permutations([machine(number, expiry=LATER + number % 3) for number in range(1, 5)]))
def test_the_order_of_the_file_does_not_matter(shuffled: list[Lease], plan: Plan) -> None:
    assert plan(shuffled) == plan(sorted(shuffled, key=lambda lease: lease.mac))


@pytest.mark.parametrize(
    "lease",
    [
        machine(1, expiry=int(NOW.timestamp())),
        machine(1, address="192.0.2.7"),
        machine(101),
    ],
    ids=["expired", "other network", "known"],
)
def test_a_machine_is_not_adopted(lease: Lease, plan: Plan, full: Registry) -> None:
    assert plan([lease], only(full, 101)) == AdoptionPlan((), ())


def test_a_masked_machine_is_never_adopted(plan: Plan) -> None:
    masked = frozenset({machine(1).mac})
    assert adopted(plan([machine(1), machine(2)], masked_macs=masked)) == {"52:54:00:00:00:02": "n101"}


def test_the_lease_that_a_removed_node_held_makes_no_node_and_the_next_one_does(plan: Plan) -> None:
    removed = replace(EMPTY, dismissed={machine(1).mac: LATER, machine(2).mac: 0})
    assert adopted(plan([machine(1), machine(2, expiry=None)], removed)) == {}
    assert adopted(plan([machine(1, expiry=LATER + 1)], removed)) == {machine(1).mac: "n101"}


@pytest.mark.parametrize("policy", ["quarantine", "off"])
def test_nothing_is_adopted_by_other_policies(policy: str, plan: Plan) -> None:
    assert plan([machine(1)], adoption=policy) == AdoptionPlan((), ())


def test_machines_beyond_the_range_are_left_over(plan: Plan) -> None:
    planned = plan([machine(number) for number in range(1, 7)])
    assert len(planned.nodes) == 4
    assert planned.left_over == ("52:54:00:00:00:05", "52:54:00:00:00:06")


def test_a_second_plan_is_empty(plan: Plan, config: ClusterConfig) -> None:
    leases = [machine(1), machine(2)]
    registry = apply_adoption(plan(leases), EMPTY, config)
    assert plan(leases, registry) == AdoptionPlan((), ())
    assert apply_adoption(plan(leases, registry), registry, config) is registry


def test_the_default_group_comes_with_its_first_node_and_is_left_alone_later(plan: Plan, config: ClusterConfig) -> None:
    registry = apply_adoption(plan([machine(1)]), EMPTY, config)
    assert registry.groups == {"compute": Group("compute")}
    decided = Registry({"compute": Group("compute", "rocky-9")}, registry.nodes)
    assert apply_adoption(plan([machine(2)], decided), decided, config).groups == decided.groups
