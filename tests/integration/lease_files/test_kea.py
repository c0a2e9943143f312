# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Kea's lease files have."""

from __future__ import annotations

import itertools
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._leases.reader import load_leases

from tests.integration.lease_files.servers import ADDRESS, MakeServer, Server, renewing, wait_for

MACS = [f"52:54:00:00:00:{number:02x}" for number in range(1, 4)]
READS = 500
VERBATIM = {"hostname-char-set": ""}  # without it Kea takes out whatever no host name may have
AT_ONCE = {"reclaim-timer-wait-time": 1, "hold-reclaimed-time": 3600, "flush-reclaimed-timer-wait-time": 3600}


def last_states(server: Server) -> dict[str, str]:
    """Return what the file says last of each address, by that address."""
    return {row.split(",")[0]: row.split(",")[9] for row in server.file.read_text().splitlines()[1:]}


@pytest.mark.parametrize(
    "name", ["{{ 7*7 }}", "{%x%}", "-oproxycommand=id", "a;reboot", "a,b,0,", "a&#x2cb", 'x"y', "*"]
)
def test_a_name_that_kea_does_not_clean_is_told_by_mac(make_server: MakeServer, clients: Any, name: str) -> None:
    server = make_server("kea", options=VERBATIM)
    clients.boot(MACS[0], name=name)
    clients.boot(MACS[1], name="good")
    wait_for({MACS[0]: "", MACS[1]: "good"}, server.names)
    [warning] = load_leases(server.file).warnings
    assert warning.startswith(f"Lease of {MACS[0]}: Cannot use {name!r} as the name")


def test_a_lease_may_never_end(make_server: MakeServer, clients: Any) -> None:
    server = make_server("kea", seconds=0xFFFFFFFF)
    clients.boot(MACS[0])
    wait_for([None], lambda: [lease.expiry for lease in load_leases(server.file).leases])


def test_a_lease_ends_and_is_then_reclaimed_and_nobody_s(make_server: MakeServer, clients: Any) -> None:
    server = make_server("kea", seconds=2, options={"expired-leases-processing": AT_ONCE})
    address = clients.boot(MACS[0]).address
    [lease] = load_leases(server.file).leases
    assert lease.is_live(datetime.now(timezone.utc))
    wait_for("2", lambda: last_states(server)[address], patience=15)
    assert server.names() == {}


def test_a_declined_address_has_no_machine(make_server: MakeServer, clients: Any) -> None:
    server = make_server("kea")
    address = clients.boot(MACS[0]).address
    clients.decline(MACS[0], address, server=ADDRESS)
    wait_for("1", lambda: last_states(server)[address])
    found = load_leases(server.file)
    assert (found.leases, found.warnings) == ((), ())


def beside(file: Path) -> set[str]:
    return {path.name[len(file.name) :] for path in file.parent.glob(f"{file.name}.*")}


def test_500_reads_never_miss_a_machine_while_kea_cleans_up(make_server: MakeServer, clients: Any) -> None:
    server = make_server("kea", cleanup=1)
    macs = [f"52:54:00:00:01:{number:02x}" for number in range(100)]
    lent = {mac: clients.boot(mac).address for mac in macs}
    seen: set[str] = set()
    shortest = len(macs)
    with renewing(clients, lent) as renewals:
        deadline = time.monotonic() + 60
        for read in itertools.count():
            found = load_leases(server.file)
            assert {lease.mac: str(lease.address) for lease in found.leases} == lent
            assert found.warnings == ()
            seen |= beside(server.file)
            if server.file.exists():
                shortest = min(shortest, len(set(server.file.read_text().splitlines())))
            if read >= READS and {".1", ".2"} <= seen and shortest < len(macs):
                break
            assert time.monotonic() < deadline, f"Kea did not clean up: {seen}, {shortest}"
        assert renewals[0] > len(macs)
