# SPDX-License-Identifier: GPL-3.0-or-later
"""dhcpd's words; tests/integration reads files that the real one wrote."""

from __future__ import annotations

from datetime import datetime, timezone
from ipaddress import IPv4Address
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._leases import isc
from ansible_collections.perceus.cluster.plugins.module_utils._leases.isc import parse_leases
from ansible_collections.perceus.cluster.plugins.module_utils._leases.lease import Lease
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._leases.strategies import lease_lists

MAC, OTHER_MAC, ADDRESS = "52:54:00:00:00:01", "52:54:00:00:00:02", "10.17.5.20"
HEAD = """\
# The format of this file is documented in the dhcpd.leases(5) manual page.
# This lease file was written by isc-dhcp-4.4.3-P1

# authoring-byte-order entry is generated, DO NOT DELETE
authoring-byte-order little-endian;

server-duid "\\000\\001\\000\\0012\\230@\\363&\\030-\\350^\\030";

"""


def declare(
    *statements: str, address: str = ADDRESS, mac: str = MAC, state: str = "active", ends: str = "2 2030/01/01 00:00:00"
) -> str:
    """Return a declaration as ``write_lease()`` has it."""
    lines = [
        "starts 2 2029/12/31 12:00:00",
        f"ends {ends}",
        "cltt 2 2029/12/31 12:00:00",
        f"binding state {state}",
        "next binding state free",
        "rewind binding state free",
        f"hardware ethernet {mac}",
        *statements,
    ]
    return f"lease {address} {{\n" + "".join(f"  {line};\n" for line in lines) + "}\n"


def render_end(lease: Lease) -> str:
    if lease.expiry is None:
        return "never"
    return datetime.fromtimestamp(lease.expiry, tz=timezone.utc).strftime("%w %Y/%m/%d %H:%M:%S")


def test_a_declaration_becomes_a_lease() -> None:
    found = parse_leases(HEAD + declare('client-hostname "debian"'))
    assert found.leases == (Lease(MAC, IPv4Address(ADDRESS), 1893456000, "debian"),)
    assert found.warnings == ()


def test_the_last_declaration_of_an_address_is_in_effect() -> None:
    found = parse_leases(declare() + declare(mac=OTHER_MAC) + declare(address="10.17.5.21", mac="52:54:00:00:00:03"))
    assert [lease.mac for lease in found.leases] == [OTHER_MAC, "52:54:00:00:00:03"]


@pytest.mark.parametrize("state", ["free", "backup", "abandoned", "expired", "released", "reset"])
def test_a_lease_that_is_not_active_is_nobodys(state: str) -> None:
    assert parse_leases(declare() + declare(state=state)).leases == ()
    assert len(parse_leases(declare(state=state) + declare()).leases) == 1


def test_a_machine_that_moved_is_at_its_new_address() -> None:
    text = declare(ends="never") + declare(address="10.17.5.21") + declare(state="free")
    assert [str(lease.address) for lease in parse_leases(text).leases] == ["10.17.5.21"]


@pytest.mark.parametrize(
    ("ends", "expiry"),
    [
        ("never", None),
        ("epoch 1893456000", 1893456000),
        ("2 2030/01/01 00:00:00", 1893456000),
        ("2 2030/1/1 0:0:0", 1893456000),
        ("4 1970/01/01 00:00:01", 1),
        ("0 2106/02/07 06:28:15", 4294967295),
    ],
)
def test_ends_are_in_universal_time(ends: str, expiry: int | None) -> None:
    assert [lease.expiry for lease in parse_leases(declare(ends=ends)).leases] == [expiry]


def test_the_comment_behind_a_local_time_is_passed_over() -> None:
    text = declare().replace("2 2030/01/01 00:00:00;", "epoch 1893456000; # Tue Jan  1 01:00:00 2030")
    assert [lease.expiry for lease in parse_leases(text).leases] == [1893456000]


@pytest.mark.parametrize(
    "other",
    [
        (
            'failover peer "campus" state {\n  my state normal at 2 2029/12/31 12:00:00;\n'
            "  partner state normal at 2 2029/12/31 12:00:00;\n}\n"
        ),
        f"host stranger {{\n  dynamic;\n  hardware ethernet {OTHER_MAC};\n  fixed-address 10.17.5.22;\n}}\n",
        "host gone {\n  dynamic;\n  deleted;\n}\n",
        'group "racks" {\n}\n',
        (
            'ia-na "\\001\\000\\000\\000RT" {\n  cltt 2 2029/12/31 12:00:00;\n  iaaddr fd00:17::20 {\n'
            "    binding state active;\n  }\n}\n"
        ),
    ],
)
def test_other_declarations_are_no_leases(other: str) -> None:
    found = parse_leases(HEAD + declare() + "\n" + other + declare(address="10.17.5.21", mac=OTHER_MAC))
    assert [lease.mac for lease in found.leases] == [MAC, OTHER_MAC]
    assert found.warnings == ()


@pytest.mark.parametrize(
    "statement",
    [
        r'uid "\377 {\" }\\\012; binding state free;"',
        "uid 01:52:54:00:00:00:01",
        r'set vendor-class-identifier = "PXE \"x\" { }\\"',
        r'option agent.circuit-id "}\n lease 10.0.0.1 {"',
        'on expiry {\n    log (info, "gone }");\n  }',
        "tstp 2 2029/12/31 12:00:00;\n  tsfp never;\n  atsfp 2 2029/12/31 12:00:00",
        "reserved",
    ],
)
def test_no_other_statement_changes_a_lease(statement: str) -> None:
    found = parse_leases(declare(statement))
    assert found == parse_leases(declare())
    assert len(found.leases) == 1


@pytest.mark.parametrize(
    "name",
    [
        "{{ lookup('pipe', 'id') }}",
        r"x\"; binding state free; }",
        'x"; hardware ethernet 52:54:00:00:00:99; binding state free; }',  # as dhcpd 3 and OpenBSD's write it
        "-oProxyCommand=id",
        "../../etc",
        "a;reboot",
        "x" * 300,
        "",
    ],
)
def test_a_hostile_name_is_dropped_and_its_machine_named(name: str) -> None:
    found = parse_leases(declare(f'client-hostname "{name}"'))
    assert found.leases == (Lease(MAC, IPv4Address(ADDRESS), 1893456000),)
    assert [warning.partition(": ")[0] for warning in found.warnings] == [f"Lease of {MAC}"]


def test_an_old_dhcpd_says_by_a_word_that_a_lease_is_nobodys() -> None:
    text = declare().replace("  binding state active;\n", "")
    assert len(parse_leases(text).leases) == 1
    assert parse_leases(text.replace("  cltt", "  abandoned;\n  cltt")).leases == ()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("nonsense\n  of a kind;\n", "Cannot use 'nonsense': no declaration"),
        (declare()[:-2], "Cannot use 'lease 10.17.5.20 {': no declaration, or one that does not end"),
        (declare(address="10.17.5"), "Cannot use '10.17.5': not an IPv4 address"),
        (declare(mac="52:54:00:00:00"), "Cannot use '52:54:00:00:00' as a MAC address"),
        (declare(ends="2 2030/02/30 00:00:00"), "Cannot use '2030/02/30 00:00:00' as the end of a lease"),
        (declare(ends="soon"), "Cannot use the lease of '10.17.5.20': it does not say when it ends"),
        (declare().replace("ethernet", "infiniband"), "Cannot use the lease of '10.17.5.20': it is of no Ethernet"),
        ("\0" * 200 + "\n", "Cannot use '\\x00"),
    ],
)
def test_what_is_no_lease_is_named_and_hides_no_other(bad: str, why: str) -> None:
    found = parse_leases(HEAD + bad + declare(address="10.17.5.21", mac=OTHER_MAC))
    assert [lease.mac for lease in found.leases] == [OTHER_MAC]
    [warning] = found.warnings
    assert warning.startswith(f"Line 9 of the leases: {why}")
    assert len(warning) < 700


@pytest.mark.parametrize("whole", [HEAD.encode(), HEAD[:-1].encode(), (HEAD + declare()).encode(), b"}\r\n"])
def test_a_file_is_whole_at_the_end_of_a_declaration(whole: bytes) -> None:
    assert isc.ends_whole(whole)


def test_a_file_is_not_whole_inside_a_declaration() -> None:
    text = HEAD + declare('client-hostname "x"') + "\n" + declare(mac=OTHER_MAC)
    first = len(HEAD) + text[len(HEAD) :].index("}\n") + 2
    inside = [text[:end].encode() for end in range(first, len(text))]
    assert [part for part in inside if isc.ends_whole(part)] == [text[: first + ends].encode() for ends in (0, 1)]


@given(text=st.text() | st.text(alphabet='lease 10.{}";\\\n#x'))
def test_any_text_gives_leases_and_warnings(text: str) -> None:
    found = parse_leases(text)
    assert len(found.leases) + len(found.warnings) <= text.count("\n") + 1


@given(leases=lease_lists(), again=st.randoms(use_true_random=False))
def test_what_dhcpd_writes_is_what_is_read(leases: list[Lease], again: Any) -> None:
    final = [
        declare(
            *([f'client-hostname "{lease.client_name}"'] if lease.client_name else []),
            address=str(lease.address),
            mac=lease.mac,
            ends=render_end(lease),
        )
        for lease in leases
    ]
    earlier = [declare(address=str(lease.address), mac="52:54:ff:ff:ff:ff") for lease in leases]
    again.shuffle(earlier)
    found = parse_leases(HEAD + "".join(earlier + final))
    assert found.warnings == ()
    assert found.by_mac == {lease.mac: lease for lease in leases}
