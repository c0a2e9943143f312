# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the lease file of each DHCP server, as the real one writes it for real clients."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._leases.reader import load_leases

from tests.integration.lease_files.servers import ADDRESS, Machine, Server, wait_for

MACS = [f"52:54:00:00:00:{number:02x}" for number in range(1, 4)]


def test_each_client_has_its_lease(server: Server, machine: Machine) -> None:
    machine.udhcpc(MACS[0], name="busybox")
    machine.dhclient(MACS[1], name="debian")
    wait_for({MACS[0]: "busybox", MACS[1]: "debian"}, server.names)
    found = load_leases(server.file)
    assert found.warnings == ()
    now = datetime.now(timezone.utc)
    for lease in found.leases:
        assert lease.address in server.config.discovery_range
        assert lease.is_live(now) and lease.end() - now.timestamp() <= server.seconds


def test_what_was_given_back_is_nobody_s(server: Server, machine: Machine) -> None:
    machine.udhcpc(MACS[0], name="stays")
    machine.dhclient(MACS[1], name="goes", release=True)
    wait_for({MACS[0]: "stays"}, server.names)


def test_a_declined_address_is_nobody_s(server: Server, clients: Any) -> None:
    clients.boot(MACS[0])
    clients.decline(MACS[1], clients.boot(MACS[1]).address, server=ADDRESS)
    wait_for({MACS[0]: ""}, server.names)


def test_firmware_and_system_of_a_machine_have_one_lease(server: Server, clients: Any) -> None:
    """Each has its client id, hence an address of its own; the one that ends last counts."""
    first = clients.boot(MACS[0], client_id=b"\xff {\"\\};\n'%n\0")
    time.sleep(1.1)  # leases end at whole seconds
    second = clients.boot(MACS[0], client_id=b"\1RT")
    assert first.address != second.address
    wait_for([second.address], lambda: [str(lease.address) for lease in load_leases(server.file).leases])
    assert load_leases(server.file).warnings == ()


@pytest.mark.parametrize(
    "name",
    [
        "{{ lookup('pipe', 'id') }}",
        "{% set x = 1 %}",
        "-oProxyCommand=id",
        "../../etc/passwd",
        "a;reboot",
        'x"; hardware ethernet 52:54:00:00:00:99; }',
        'x";\n  binding state free;\n}\nlease 10.17.64.9 {',
        "x\n10.17.64.9,52:54:00:00:00:99,,600,4000000000,1,0,0,,0,",
        "x\n4000000000 52:54:00:00:00:99 10.17.64.9 * *",
        "a,b,0,",
        "a&#x2cb",
        "nul\0nul",
        "x" * 250,
        "pässword",
        "\\",
        "\x1b[2J",
        "a b",
        "*",
    ],
)
def test_a_hostile_name_is_no_name_and_changes_nothing_else(server: Server, clients: Any, name: str) -> None:
    """A server may drop the name or what is bad in it; what it writes is told by MAC if it is no host name."""
    clients.boot(MACS[0], name="good")
    lent = clients.boot(MACS[1], name=name)
    clients.boot(MACS[2])
    wait_for(3, lambda: len(load_leases(server.file).leases))
    found = load_leases(server.file)
    assert set(found.by_mac) == set(MACS)
    offender = found.by_mac[MACS[1]]
    assert str(offender.address) == lent.address
    assert offender.client_name == "" or offender.client_name.replace(".", "").replace("-", "").isalnum()
    assert {warning.partition(": ")[0] for warning in found.warnings} <= {f"Lease of {MACS[1]}"}
