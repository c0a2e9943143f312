# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Group, Node, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.scopes import (
    SCOPES,
    find_active,
    find_scopes,
    set_active,
)
from hypothesis import given
from hypothesis import strategies as st

OF = {"all": None, "vnfs": "debian", "group": "compute", "node": "n101"}
names = st.sampled_from(["a", "b", "c", "d"])
changes = st.lists(st.tuples(names, st.sampled_from(SCOPES), st.booleans()), max_size=12)


def registry_of(node: Node) -> Registry:
    return Registry({}, (node, replace(node, name="n102", macs=("52:54:00:00:00:02",), address=node.address + 1)))


def after(node: Node, said: list[tuple[str, str, bool]]) -> Registry:
    registry = registry_of(node)
    for overlay, scope, active in said:
        registry = set_active(registry, overlay, scope=scope, of=OF[scope], active=active)
    return registry


def found(registry: Registry, name: str = "n101") -> list[tuple[str, str]]:
    return [(active.overlay, active.scope) for active in find_active(registry.by_name[name], registry, vnfs="debian")]


def test_the_particular_comes_after_the_general(node: Node) -> None:
    registry = after(node, [("d", "node", True), ("c", "group", True), ("b", "vnfs", True), ("a", "all", True)])
    assert found(registry) == [("a", "all"), ("b", "vnfs"), ("c", "group"), ("d", "node")]
    assert found(registry, "n102") == [("a", "all"), ("b", "vnfs"), ("c", "group")]


def test_nodes_of_another_vnfs_and_group_get_what_is_for_all(node: Node) -> None:
    registry = after(node, [("a", "all", True), ("b", "vnfs", True), ("c", "group", True)])
    elsewhere = replace(node, group="viz")
    assert [active.overlay for active in find_active(elsewhere, registry, vnfs="rocky-9")] == ["a"]


def test_an_overlay_of_several_scopes_counts_in_the_most_particular(node: Node) -> None:
    registry = after(node, [("a", "all", True), ("b", "all", True), ("a", "node", True)])
    assert found(registry) == [("b", "all"), ("a", "node")]


@given(said=changes)
def test_what_was_said_last_of_each_scope_is_so(node: Node, said: list[tuple[str, str, bool]]) -> None:
    """Order among scopes never depends on the order in which they were said."""
    registry = after(node, said)
    last = {(overlay, scope): active for overlay, scope, active in said}
    scopes = {overlay: [scope for scope in SCOPES if last.get((overlay, scope))] for overlay in "abcd"}
    assert dict(found(registry)) == {overlay: having[-1] for overlay, having in scopes.items() if having}
    order = [SCOPES.index(scope) for _overlay, scope in found(registry)]
    assert order == sorted(order)
    for overlay, having in scopes.items():
        assert [bool(of) for of in find_scopes(overlay, registry).values()] == [scope in having for scope in SCOPES]


@given(said=changes)
def test_what_is_switched_off_everywhere_leaves_nothing(node: Node, said: list[tuple[str, str, bool]]) -> None:
    off = [(overlay, scope, False) for overlay in "abcd" for scope in SCOPES]
    registry = after(node, said + off)
    assert found(registry) == []
    assert registry.overlays == {}


def test_a_change_that_is_so_already_is_none(node: Node) -> None:
    for scope in SCOPES:
        once = after(node, [("a", scope, True)])
        assert set_active(once, "a", scope=scope, of=OF[scope], active=True) == once
        assert set_active(registry_of(node), "a", scope=scope, of=OF[scope], active=False) == registry_of(node)


def test_a_group_that_nobody_has_named_yet_may_have_overlays(node: Node) -> None:
    assert set_active(registry_of(node), "a", scope="group", of="viz", active=True).groups == {
        "viz": Group("viz", overlays=("a",))
    }


def test_a_scope_must_be_named_and_a_node_must_be_there(node: Node) -> None:
    for scope in ("vnfs", "group", "node"):
        with pytest.raises(PerceusError, match=f"which {scope} is meant"):
            set_active(registry_of(node), "a", scope=scope, of=None, active=True)
    with pytest.raises(PerceusError, match="no node"):
        set_active(registry_of(node), "a", scope="node", of="n999", active=True)
