# SPDX-License-Identifier: GPL-3.0-or-later
"""What a secret may be, and the text that keeps secrets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._secrets.secret import (
    PLACES,
    Secret,
    digest,
    make_secret,
    parse_file,
    parse_secrets,
    render_secrets,
)
from hypothesis import given
from hypothesis import strategies as st

VALUES = {
    "file": "/etc/munge/munge.key",
    "content": b"key",
    "owner": "munge",
    "group": "0",
    "mode": "0400",
    "place": "root",
    "restart": ["munge.service"],
}
SECRETS = st.builds(
    Secret,
    file=st.from_regex(r"/[a-z]{1,5}(/[!-.0-~]{3,8}){0,2}", fullmatch=True),
    content=st.binary(min_size=1, max_size=40),
    mode=st.from_regex(r"0?[0-7]{3}", fullmatch=True),
    place=st.sampled_from(PLACES),
    restart=st.lists(st.sampled_from(["a.service", "b@1.timer"])).map(tuple),
).filter(lambda secret: not secret.file.startswith(("/dev/", "/proc/", "/run/", "/sys/")))


@given(st.lists(SECRETS, unique_by=lambda secret: secret.file))
def test_what_is_written_is_read_again(secrets: list[Secret]) -> None:
    text = render_secrets(secrets)
    read = parse_secrets(text, what="a text")
    assert set(read) == set(secrets)
    assert render_secrets(reversed(read)) == text
    assert len(text.splitlines()) == max(len(secrets), 1) + 2


def test_none_have_the_empty_digest_and_all_others_another() -> None:
    secret = make_secret(VALUES)
    digests = [digest([]), digest([secret]), digest([make_secret({**VALUES, "mode": "0440"})])]
    assert digests[0] == ""
    assert len({*digests}) == 3


@pytest.mark.parametrize(
    "file", ["etc/x", "/", "/etc/", "/etc//x", "/etc/../x", "/etc/.", "/run/x", "/proc/x", "/etc/a b", "/etc/x\n", "/ä"]
)
def test_a_file_has_a_plain_absolute_name(file: str) -> None:
    with pytest.raises(PerceusError, match="as the file of a secret"):
        parse_file(file)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"owner": "munge; reboot"}, "as owner of secret '/etc/munge/munge.key'"),
        ({"group": ""}, "as group"),
        ({"mode": "0888"}, "as mode"),
        ({"restart": ["a b.service"]}, "as unit"),
        ({"restart": ["--now"]}, "as unit"),
        ({"place": "disk"}, "Cannot put secret"),
        ({"content": b""}, "its 0 bytes are none"),
        ({"content": bytes(1024 * 1024 + 1)}, "more than 1 MiB"),
    ],
)
def test_what_cannot_be_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(PerceusError, match=words):
        make_secret({**VALUES, **values})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "perceus-secrets", "version": 1, "secrets": [{"file": 1}]}']
)
def test_a_damaged_text_is_named(text: str) -> None:
    with pytest.raises(PerceusError, match=r"Cannot read secrets in 'all\.json': it is damaged"):
        parse_secrets(text, what="all.json")


def test_a_secret_is_not_in_its_own_words() -> None:
    assert "horse" not in repr(make_secret({**VALUES, "content": b"a horse"}))
