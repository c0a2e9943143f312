# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._leases.formats import (
    DNSMASQ,
    ISC,
    KEA,
    Format,
    detect_format,
    parse_leases,
)
from hypothesis import given
from hypothesis import strategies as st

MAC = "52:54:00:00:00:01"
LINE = f"1893456000 {MAC} 10.17.5.20 debian *\n"
DECLARATION = f"""\
lease 10.17.5.20 {{
  ends 2 2030/01/01 00:00:00;
  binding state active;
  hardware ethernet {MAC};
  client-hostname "debian";
}}
"""
ROWS = f"address,hwaddr,valid_lifetime,expire,hostname\n10.17.5.20,{MAC},600,1893456000,debian\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (LINE, DNSMASQ),
        ("duid 00:01:00:01:2c:1a:52:54:00:00:00:01\n", DNSMASQ),
        ("", DNSMASQ),
        ("\n\n", DNSMASQ),
        ("garbage\n" + LINE, DNSMASQ),
        ("# This lease file was written by isc-dhcp-4.4.3-P1\n", ISC),
        ("authoring-byte-order little-endian;\n", ISC),
        (DECLARATION, ISC),
        ('failover peer "campus" state {\n  my state normal at 2 2029/12/31 12:00:00;\n}\n', ISC),
        (ROWS, KEA),
        ("address,duid,valid_lifetime\n", KEA),
    ],
)
def test_the_content_says_whose_file_it_is(text: str, wanted: Format) -> None:
    assert detect_format(text.encode()) is wanted
    assert detect_format(text.replace("\n", "\r\n").encode()) is wanted


@pytest.mark.parametrize("text", [LINE, DECLARATION, ROWS], ids=["dnsmasq", "isc", "kea"])
def test_all_formats_give_the_same_leases(text: str) -> None:
    wanted = parse_leases(LINE.encode())
    assert len(wanted.leases) == 1
    assert parse_leases(text.encode()) == parse_leases(text.replace("\n", "\r\n").encode()) == wanted


@pytest.mark.parametrize("content", [b"\0" * 5000, b"\xff\xfe\n", b"{}\n", b"root:x:0:0:root:/root:/bin/bash\n"])
def test_what_no_dhcp_server_wrote_is_refused_and_not_empty(content: bytes) -> None:
    with pytest.raises(PerceusError, match="written by none of dnsmasq, Kea, ISC dhcpd"):
        parse_leases(content)


@pytest.mark.parametrize("text", [LINE, DECLARATION, ROWS], ids=["dnsmasq", "isc", "kea"])
def test_bytes_that_are_no_text_become_a_warning(text: str) -> None:
    found = parse_leases(text.encode() + b"\xff\xfe\0garbage\n")
    assert len(found.leases) == len(found.warnings) == 1


@given(content=st.binary())
def test_any_content_gives_leases_or_says_why_not(content: bytes) -> None:
    try:
        parse_leases(content)
    except PerceusError as error:
        assert error.msg.startswith("Cannot use the leases: ")
