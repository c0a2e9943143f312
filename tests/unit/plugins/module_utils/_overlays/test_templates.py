# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.templates import Templates
from hypothesis import given
from hypothesis import strategies as st

TEMPLATES = Templates()


def render(text: str, **facts: Any) -> dict[str | None, str]:
    rendered = TEMPLATES.render(text, facts, what="'files/x.j2' of overlay 'site'")
    return {name: content.decode() for name, content in rendered.items()}


def test_what_sees_nothing_of_a_node_is_rendered_once() -> None:
    templates = Templates(people=("ada", "bob"))

    def give(text: str, node: str) -> dict[str | None, bytes]:
        return templates.render(text, {"node": node}, what="x")

    assert give("{{ people | join }}", "n101")[None] is give("{{ people | join }}", "n102")[None]
    both = "{{ people | join }}{% set n = node %}{% macro m() %}{{ n }}{% endmacro %}{{ m() }}"
    assert [give(both, node) for node in ("n101", "n102")] == [{None: b"adabobn101"}, {None: b"adabobn102"}]


@given(value=st.text(alphabet=st.sampled_from("{}%#\\'\"<>&;$`ab \n\0")))
def test_a_value_is_text_whatever_it_looks_like(value: str) -> None:
    assert render("[{{ value }}]", value=value) == {None: f"[{value}]"}


def test_a_value_cannot_begin_another_file() -> None:
    assert render("{{ value }}", value="{{ file('x') }}") == {None: "{{ file('x') }}"}


def test_one_template_may_give_many_files() -> None:
    text = "{% for name in names %}{{ file(name ~ '.network') }}\n[Match]\nName={{ name }}\n{% endfor %}"
    assert render(text, names=["eth1", "eth2"]) == {
        "eth1.network": "[Match]\nName=eth1\n",
        "eth2.network": "[Match]\nName=eth2\n",
    }
    assert render(text, names=[]) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ node.nothing }}", "has no attribute 'nothing'"),
        ("{% if %}", r"Expected an expression.* \(line 1\)"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ file('../x') }}", "is no name for a file"),
        ("{{ file('.x') }}", "is no name for a file"),
        ("{{ 'a\nb' | line }}", "does not fit in one line"),
        ("{{ node.__class__.__mro__ }}", "is unsafe|has no attribute|is undefined"),
        ("{% include 'x' %}", "no loader"),
        ("{{ range(100000000) | list }}", "Range too big"),
        ("{{ file('x' * 201) }}", "is no name for a file"),
        ("{{ f(a=1, a=2) }}", "keyword argument repeated"),
        ("{{ cycler() }}", "at least one item"),
        ("{{ 'long' | truncate(1) }}", "expected length"),
        ("{{ 'x' * 10 ** 15 }}", "MemoryError"),
        (r"{{ '\ud800' }}", "surrogates not allowed"),
    ],
)
def test_a_template_that_fails_is_named_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(PerceusError, match=rf"Cannot render 'files/x.j2' of overlay 'site': .*({reason})"):
        render(text, node={})


def test_a_value_can_be_a_word_of_the_shell() -> None:
    assert render("echo {{ value | quote }}\n", value="$(reboot)'") == {None: "echo '$(reboot)'\"'\"''\n"}
