# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.installations import (
    note_installations,
    order_reinstall,
    withdraw_reinstall,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import (
    parse_registry,
    render_registry,
)
from ansible_collections.perceus.cluster.plugins.module_utils._reports import Report

OLD, NEW = "0" * 16, "1" * 16
TOKEN = "a" * 32


def node(number: int) -> Node:
    address = IPv4Address(f"10.17.5.{number}")
    return Node(
        f"n{number}", (f"52:54:00:00:00:{number % 100:02}",), address, "c", True, "0" * 32, "2030-01-01T00:00:00Z"
    )


REGISTRY = Registry({}, (node(101), node(102)))


def installed(number: int, generation: str, token: str = "", *, address: str | None = None) -> Report:
    by = node(number)
    source = IPv4Address(address) if address else by.address
    return Report("2030-01-01T00:00:00+00:00", source, "installed", by.macs[0], generation, "b", token, "")


def test_who_reports_an_installation_is_installed() -> None:
    after = note_installations(REGISTRY, [installed(101, OLD), installed(101, NEW)])
    assert [known.installed for known in after.nodes] == [NEW, ""]
    assert parse_registry(render_registry(after)) == after


def test_nobody_reports_an_installation_of_another() -> None:
    assert note_installations(REGISTRY, [installed(101, NEW, address="10.17.5.102")]) == REGISTRY


def test_a_token_ends_by_the_report_that_has_it_and_by_no_older_one() -> None:
    ordered = order_reinstall(REGISTRY, "n101", new_token=lambda: TOKEN)
    assert [known.reinstall for known in ordered.nodes] == [TOKEN, ""]
    before = note_installations(ordered, [installed(101, OLD), installed(101, OLD, "b" * 32)])
    assert before == ordered
    after = note_installations(ordered, [installed(101, NEW, TOKEN)])
    assert (after.by_name["n101"].installed, after.by_name["n101"].reinstall) == (NEW, "")


def test_a_second_order_is_the_first_one_and_can_be_withdrawn() -> None:
    ordered = order_reinstall(REGISTRY, "n101", new_token=lambda: TOKEN)
    assert order_reinstall(ordered, "n101", new_token=lambda: "b" * 32) == ordered
    assert withdraw_reinstall(ordered, "n101") == REGISTRY
    with pytest.raises(PerceusError, match="no node matches"):
        order_reinstall(REGISTRY, "n999", new_token=lambda: TOKEN)
