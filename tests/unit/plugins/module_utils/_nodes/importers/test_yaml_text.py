# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.draft import Draft
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.yaml_text import Found, read_yaml


def test_values_are_words_whatever_yaml_would_make_of_them() -> None:
    found = read_yaml("mac: 10:11:12:13:14:15\nyes: no\nnumber: 010\nnothing:\n", Draft())
    assert {key: value.word for key, value in found.items.items()} == {
        "mac": "10:11:12:13:14:15",
        "yes": "no",
        "number": "010",
        "nothing": "",
    }


def test_each_value_knows_its_line() -> None:
    found = read_yaml("a:\n  - b\n  - c: d\n", Draft())
    assert found.items["a"] == Found([Found("b", 2), Found({"c": Found("d", 3)}, 3)], 2)


@pytest.mark.parametrize("text", ["[a, b]", "'a, b'", "- a\n- b"])
def test_words_stand_in_a_list_or_between_commas(text: str) -> None:
    assert read_yaml(text, Draft()).words == ["a", "b"]


def test_a_key_that_stands_twice_counts_once() -> None:
    draft = Draft()
    assert read_yaml("a: 1\nb: 2\na: 3\n", draft).items["a"].word == "1"
    [left_out] = draft.result().left_out
    assert (left_out.line, left_out.what, left_out.reason) == (3, "'a'", "it stands there already")


def test_an_alias_is_what_its_anchor_is_even_if_that_holds_it() -> None:
    items = read_yaml("base: &base {image: x}\nnode: *base\nloop: &loop {again: *loop}\n", Draft()).items
    assert items["node"].items["image"].word == "x"
    assert items["loop"].items["again"] is items["loop"]


@pytest.mark.parametrize("opening", ["[", "- ", "{a: "])
def test_what_is_too_deep_is_refused(opening: str) -> None:
    with pytest.raises(PerceusError, match=r"^Cannot read the YAML in line 1: it is more than 20 levels deep$"):
        read_yaml(opening * 500, Draft())


@pytest.mark.parametrize("opening", ["[", "- ", "{a: "])
def test_what_would_exhaust_a_stack_is_refused(opening: str) -> None:
    """By us, or by a libyaml that has a limit of its own and meets it first."""
    with pytest.raises(PerceusError, match=r"^Cannot read the YAML[^\n]* line 1\b"):
        read_yaml(opening * 100_000, Draft())


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\0"])
def test_what_is_no_yaml_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(PerceusError, match=r"^Cannot read the YAML: [^\n]+$"):
        read_yaml(text, Draft())
