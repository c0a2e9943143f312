# SPDX-License-Identifier: GPL-3.0-or-later
"""What only ISC dhcpd's lease file has."""

from __future__ import annotations

import itertools
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._leases.reader import load_leases

from tests.integration.lease_files.servers import ADDRESS, MakeServer, Server, renewing, wait_for

MACS = [f"52:54:00:00:00:{number:02x}" for number in range(1, 4)]
READS = 500
PARTNER = "10.17.0.2"
FAILOVER = """\
failover peer "campus" {{
  {role}
  address {own};
  port 647;
  peer address {other};
  peer port 647;
  max-response-delay 60;
  max-unacked-updates 10;
  load balance max seconds 3;
}}
"""
NEW_HOST = f"""\
server 127.0.0.1
port 7911
connect
new host
set name = "stranger"
set hardware-address = {MACS[1]}
set hardware-type = 1
set ip-address = 10.17.70.1
create
"""


def live_macs(server: Server) -> list[str]:
    now = datetime.now(timezone.utc)
    return [lease.mac for lease in load_leases(server.file).leases if lease.is_live(now)]


def test_the_client_s_words_are_in_the_file_as_they_came(make_server: MakeServer, clients: Any) -> None:
    """If this dhcpd were stricter, the tests with hostile names would prove nothing."""
    server = make_server("dhcpd")
    clients.boot(MACS[0], name="{{ 7*7 }}; binding state free; }", client_id=b'\xff {"\\};\n\0')
    clients.boot(MACS[1], name="good")
    wait_for({MACS[0]: "", MACS[1]: "good"}, server.names)
    text = server.file.read_text()
    assert 'client-hostname "{{ 7*7 }}; binding state free; }";' in text
    assert r'uid "\377 {\"\\};\012\000";' in text
    [warning] = load_leases(server.file).warnings
    assert warning.startswith(f"Lease of {MACS[0]}: ")


@pytest.mark.parametrize(
    ("option", "written"),
    [("db-time-format local", "ends epoch "), ("lease-id-format hex", f"uid 01:{MACS[0]};")],
)
def test_times_and_ids_may_be_written_in_two_ways(
    make_server: MakeServer, clients: Any, option: str, written: str
) -> None:
    server = make_server("dhcpd", options=(option,))
    clients.boot(MACS[0], name="good", client_id=b"\1RT\0\0\0\1")
    wait_for({MACS[0]: "good"}, server.names)
    [lease] = load_leases(server.file).leases
    assert 0 < lease.end() - time.time() <= server.seconds
    assert written in server.file.read_text()


def test_a_lease_may_never_end(make_server: MakeServer, clients: Any) -> None:
    server = make_server("dhcpd", seconds=0xFFFFFFFF)
    clients.boot(MACS[0])
    wait_for([None], lambda: [lease.expiry for lease in load_leases(server.file).leases])
    assert "ends never;" in server.file.read_text()


def test_a_lease_ends_and_is_then_nobody_s(make_server: MakeServer, clients: Any) -> None:
    server = make_server("dhcpd", seconds=3)
    clients.boot(MACS[0])
    wait_for([MACS[0]], lambda: live_macs(server))
    wait_for([], lambda: live_macs(server))
    wait_for({}, server.names)
    assert "binding state free;" in server.file.read_text()


def test_the_backup_stands_in_when_only_that_is_there(make_server: MakeServer, clients: Any) -> None:
    server = make_server("dhcpd")
    clients.boot(MACS[0], name="good")
    wait_for({MACS[0]: "good"}, server.names)
    server.stop()
    server.start()  # when it starts it rewrites its file
    server.stop()
    server.file.unlink()
    found = load_leases(server.file)
    assert [lease.client_name for lease in found.leases] == ["good"]
    [warning] = found.warnings
    assert f"{server.file}~" in warning and warning.endswith("seconds old")


def test_500_reads_never_miss_a_machine_while_dhcpd_appends_and_rewrites(make_server: MakeServer, clients: Any) -> None:
    """It rewrites its file once an hour, and when it starts."""
    server = make_server("dhcpd")
    lent = {mac: clients.boot(mac).address for mac in (f"52:54:00:00:01:{number:02x}" for number in range(50))}
    written: set[int] = set()

    def restart() -> None:
        written.add(server.file.stat().st_ino)
        server.stop()
        server.start()

    with renewing(clients, lent, after_each_round=restart) as renewals:
        deadline = time.monotonic() + 60
        for read in itertools.count():
            found = load_leases(server.file)
            assert {lease.mac: str(lease.address) for lease in found.leases} == lent
            assert found.warnings == ()
            if read >= READS and len(written) > 2 and renewals[0] > len(lent):
                break
            assert time.monotonic() < deadline, f"dhcpd did not rewrite its file: {written}, {renewals}"


def test_a_host_that_was_declared_is_no_lease(make_server: MakeServer, clients: Any) -> None:
    server = make_server("dhcpd", options=("omapi-port 7911",))
    clients.boot(MACS[0])
    omshell = server.namespace.command("omshell")
    subprocess.run(omshell, input=NEW_HOST, text=True, check=True, timeout=20, stdout=subprocess.DEVNULL)
    wait_for(True, lambda: "host stranger {" in server.file.read_text())
    clients.boot(MACS[2])
    wait_for({MACS[0]: "", MACS[2]: ""}, server.names)
    assert load_leases(server.file).warnings == ()


def test_partners_share_a_pool_and_each_has_leases_only(
    make_server: MakeServer, clients: Any, wire: Any, tmp_path: Path
) -> None:
    """Half of the free addresses is the partner's, in state backup; only what is active is a lease."""
    wire.nodes.ip("address", "add", f"{PARTNER}/16", "dev", "eth0")
    first = FAILOVER.format(role="primary; mclt 60; split 255;", own=ADDRESS, other=PARTNER)
    second = FAILOVER.format(role="secondary;", own=PARTNER, other=ADDRESS)
    server = make_server("dhcpd", failover=first)
    partner = make_server(
        "dhcpd", failover=second, namespace=wire.nodes, interface="eth0", file=tmp_path / "partner.leases"
    )
    files = (server.file, partner.file)
    wait_for(True, lambda: all("partner state normal" in file.read_text() for file in files), patience=90)
    lent = {mac: clients.boot(mac).address for mac in MACS}
    wait_for(lent, lambda: {lease.mac: str(lease.address) for lease in load_leases(server.file).leases})
    # The partner writes what it hears, but only what it gives itself at once: it may lag behind by a few.
    wait_for(True, lambda: MACS[0] in partner.names(), patience=20)
    for side in (server, partner):
        found = load_leases(side.file)
        assert found.warnings == ()
        assert {lease.mac: str(lease.address) for lease in found.leases}.items() <= lent.items()
        assert "binding state backup;" in side.file.read_text()
