# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.formats import NAMES, detect, parse
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import (
    GROUP_FIELDS,
    NODE_FIELDS,
    parse_fields,
)
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path(__file__).with_name("samples")
TEXTS = sorted(path.read_text(encoding="utf-8") for path in FOLDER.iterdir())
WORDS = ["{", "}", ";", '"', ":", "=", "- ", "\n", "\0", "\r", "\t", "[", "&a ", "*a", "host ", "00:d0:68:12:09:c5 "]


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A sample from which something was cut, or into which something was put."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        put = draw(st.text(max_size=20) | st.sampled_from(WORDS) | st.just(text[start:end] * 2))
        text = text[:start] + put + text[min(end, start + 200) :]
    return text


@pytest.mark.parametrize(
    ("sample", "format_"),
    [(path.stem, path.stem.replace("46", "4").replace("nodes", "csv")) for path in sorted(FOLDER.iterdir())],
)
def test_each_sample_shows_its_format(samples: dict[str, str], sample: str, format_: str) -> None:
    assert detect(samples[sample]) == format_


def test_every_format_has_a_sample(samples: dict[str, str]) -> None:
    assert {detect(text) for text in samples.values()} == set(NAMES)


@pytest.mark.parametrize("text", ["", "nothing of the kind\n", "# Name MAC\n"])
def test_a_text_without_a_format_is_refused(text: str) -> None:
    with pytest.raises(PerceusError, match=r"Cannot tell the format: it looks like none that is known\. Say which"):
        parse(text)


def test_a_text_of_two_formats_is_refused_naming_both(samples: dict[str, str]) -> None:
    with pytest.raises(PerceusError, match="it looks like perceus and perceus_reload"):
        parse(samples["perceus"] + samples["perceus_reload"])


@pytest.mark.parametrize("format_", NAMES)
@given(text=st.text() | spoiled())
def test_whatever_comes_is_read_or_refused(format_: str, text: str) -> None:
    try:
        _name, found = parse(text, name=format_)
    except PerceusError:
        return
    names = [node["name"] for node in found.nodes]
    macs = [mac for node in found.nodes for mac in node["macs"]]
    assert len(set(names)) == len(names)
    assert len(set(macs)) == len(macs)
    assert not set(macs) & set(found.masked)
    for node in found.nodes:
        assert_accepted(node, NODE_FIELDS)
    for group in found.groups:
        assert_accepted({key: value for key, value in group.items() if key != "name"}, GROUP_FIELDS)


def assert_accepted(row: dict[str, Any], fields: Any) -> None:
    """The registry takes the row as it stands."""
    parsed = parse_fields(row, fields, what="a row")
    assert {key: str(parsed[key]) for key in row if key != "macs"} == {
        key: str(value) for key, value in row.items() if key != "macs"
    }
    assert list(parsed.get("macs", ())) == row.get("macs", [])


@pytest.mark.parametrize("format_", NAMES)
def test_windows_line_ends_do_no_harm(samples: dict[str, str], format_: str) -> None:
    for text in samples.values():
        if detect(text) == format_:
            assert parse(text.replace("\n", "\r\n")) == parse(text)
