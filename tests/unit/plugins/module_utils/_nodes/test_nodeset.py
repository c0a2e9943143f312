# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes import nodeset
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.nodeset import select_nodes
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Node, Registry
from hypothesis import example, given
from hypothesis import strategies as st


def make_registry(groups: dict[str, str]) -> Registry:
    """Nodes by name, each with its group."""
    return Registry(
        {},
        tuple(
            Node(
                name,
                (f"52:54:00:00:{index >> 8:02x}:{index & 255:02x}",),
                IPv4Address(index),
                group,
                True,
                "0" * 32,
                "2030-01-01T00:00:00Z",
            )
            for index, (name, group) in enumerate(groups.items())
        ),
    )


REGISTRY = make_registry(
    {
        **{f"n{number}": "viz" if number in (103, 110) else "compute" for number in range(101, 111)},
        "n007": "compute",
        "login": "login",
        "r1-n2": "rack",
        "r1-n3": "rack",
    }
)
NAMES = list(REGISTRY.by_name)


def select(text: str) -> list[str]:
    return [node.name for node in select_nodes(text, REGISTRY)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n101", ["n101"]),
        ("n[101-103,105]", ["n101", "n102", "n103", "n105"]),
        ("n101, n105 ,login", ["n101", "n105", "login"]),
        ("n[101-109/4]", ["n101", "n105", "n109"]),
        ("n007", ["n007"]),
        ("r1-n[2-3]", ["r1-n2", "r1-n3"]),
        ("r[1]-n3", ["r1-n3"]),
        ("@viz", ["n103", "n110"]),
        ("@viz,@login", ["n103", "n110", "login"]),
        ("n10[8-9]", ["n108", "n109"]),
        ("n1*", [f"n{number}" for number in range(101, 111)]),
        ("n10?!n10[1-8]", ["n109"]),
        ("n*0", ["n110"]),
        ("*", NAMES),
        ("@*", NAMES),
        ("n1*!@viz", [f"n{number}" for number in (101, 102, 104, 105, 106, 107, 108, 109)]),
        ("n[101-104]&@viz", ["n103"]),
        ("n[101-102]^n[102-103]", ["n101", "n103"]),
    ],
)
def test_a_node_set_is_what_clustershell_and_perceus_mean_by_it(text: str, names: list[str]) -> None:
    assert select(text) == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("n200", "no node matches n200"),
        ("n[109-112]", "no node matches n111, n112"),
        ("n[200-299]", "no node matches n200, n201, n202, n203, n204 and 95 more"),
        ("n101,x*", "no node matches 'x*'"),
        ("n1*!m*", "no node matches 'm*'"),
        ("@nobody", "no node matches '@nobody'"),
        ("n7", "no node matches n7"),
        ("n101!n101", "nothing is left of it"),
        ("", "none are named"),
        (" ", "none are named"),
        ("n[1-", "missing bracket"),
        ("n[a]", "bad range"),
        ("n101!", "no node matches ''"),
        ("@a:b", "Cannot read node set"),
        ("n[0-99999999]", "its range is too large"),
    ],
)
def test_what_matches_nothing_is_named(text: str, reason: str) -> None:
    with pytest.raises(PerceusError, match=re.escape(reason)):
        select(text)


def test_where_missing_nodes_are_no_error_those_that_are_there_are_found() -> None:
    found = select_nodes("n[109-112],x*,@nobody", REGISTRY, missing_ok=True)
    assert [node.name for node in found] == ["n109", "n110"]


def test_a_plain_name_needs_no_clustershell_and_a_set_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodeset, "NodeSet", None)
    assert select("n101") == ["n101"]
    with pytest.raises(PerceusError, match="Install the package python3-clustershell on the master"):
        select("n1*")


@example("[----]")
@given(text=st.text(alphabet="n019[]-,!&^*?@/% :\n" + "é", max_size=20))
def test_any_text_is_a_node_set_or_an_error(text: str) -> None:
    try:
        assert set(select(text)) <= set(NAMES)
    except PerceusError as error:
        assert "Cannot" in error.msg


@given(
    numbers=st.sets(st.integers(1, 999), min_size=1, max_size=30),
    first=st.integers(1, 999),
    last=st.integers(1, 999),
)
def test_a_range_and_a_glob_agree_with_the_numbers(numbers: set[int], first: int, last: int) -> None:
    registry = make_registry({f"n{number:03d}": "compute" for number in sorted(numbers)})
    low, high = sorted((first, last))
    found = select_nodes(f"n[{low:03d}-{high:03d}]", registry, missing_ok=True)
    assert [node.name for node in found] == [f"n{number:03d}" for number in sorted(numbers) if low <= number <= high]
    assert len(select_nodes("n*", registry)) == len(numbers)
