# SPDX-License-Identifier: GPL-3.0-or-later
"""Beside other services of the site: machines of another boot system, and another DHCP server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._leases.reader import load_leases
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import load_machines

from tests.wire import COLLECTIONS

MAC, OTHER_MAC, SIGNED_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:5b:00:01"
BIOS, UEFI, UEFI_X86_64, UEFI_ARM64 = 0, 7, 9, 11
MASTER, SITE, NO_ADDRESS = "10.17.0.1", "10.17.0.2", str(IPv4Address(0))
REMOVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.change import Plan, change_registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.declare import remove_nodes
def decide(registry):
    return Plan(registry, remove_nodes(registry, [{"name": sys.argv[3]}]))
change_registry(load_config(Path(sys.argv[2])), decide, check=False, touches_keys=False)
"""


def test_a_masked_machine_gets_no_answer_until_the_mask_is_taken_off(master: Any, clients: Any, dnsmasq: Any) -> None:
    master.change(masked_macs=[MAC])
    master.run()
    dnsmasq.wait_until_read()
    assert clients.offers(MAC, BIOS) == []
    assert len(clients.offers(OTHER_MAC, BIOS)) == 1
    master.change(masked_macs=[])
    master.run()
    master.wait_for(1, lambda: len(clients.offers(MAC, BIOS)), patience=5)


def test_a_machine_that_is_masked_later_is_no_node_and_not_in_the_record(master: Any, clients: Any) -> None:
    master.change(adoption="quarantine")
    clients.boot(MAC)
    master.run()
    assert [machine.mac for machine in master.record().machines] == [MAC]
    master.change(adoption="adopt", masked_macs=[MAC])
    master.run()
    assert (master.names(), master.record().machines) == ({}, ())


class TestProxy:
    @pytest.fixture
    def settings(self, tmp_path: Any) -> dict[str, Any]:
        return {"dhcp_mode": "proxy", "leases": str(tmp_path / "dhcpd.leases")}

    @pytest.fixture
    def machines(self, bridge: Any, clients_at: Callable[[str], Any]) -> Any:
        """Machines on the bridge, to which also the site's server is connected."""
        return clients_at(bridge.name)

    @pytest.mark.usefixtures("site_server", "dnsmasq")
    def test_the_site_lends_the_address_and_the_master_says_what_to_boot(self, machines: Any) -> None:
        ours, theirs = sorted(machines.offers(MAC, BIOS), key=lambda offer: offer.server)
        assert (ours.server, ours.address, ours.boot_server, ours.file) == (MASTER, NO_ADDRESS, MASTER, "undionly.kpxe")
        assert (theirs.server, theirs.file) == (SITE, "")
        assert theirs.address.startswith("10.17.90.")

    @pytest.mark.usefixtures("site_server", "dnsmasq")
    @pytest.mark.parametrize(
        ("mac", "architecture", "file"),
        [
            (MAC, UEFI, "ipxe.efi"),
            (MAC, UEFI_X86_64, "ipxe.efi"),
            (MAC, UEFI_ARM64, "ipxe-arm64.efi"),
            (SIGNED_MAC, UEFI, "shimx64.efi"),
        ],
    )
    def test_uefi_firmware_is_told_on_the_port_of_boot_servers(
        self, mac: str, architecture: int, file: str, machines: Any, wire: Any
    ) -> None:
        ours, theirs = sorted(machines.offers(mac, architecture), key=lambda offer: offer.server)
        assert (ours.server, ours.address) == (MASTER, NO_ADDRESS)
        wire.nodes.ip("address", "add", f"{theirs.address}/16", "dev", "bridge")
        [told] = machines.ask_boot_server(mac, architecture, holding=theirs.address, server=ours.server)
        assert (told.boot_server, told.file) == (MASTER, file)

    @pytest.mark.usefixtures("site_server", "dnsmasq")
    def test_who_does_not_boot_from_the_network_hears_of_the_site_only(self, machines: Any) -> None:
        assert [offer.server for offer in machines.offers(MAC)] == [SITE]

    @pytest.mark.usefixtures("site_server")
    def test_a_masked_machine_hears_of_the_site_only(self, machines: Any, master: Any, dnsmasq: Any) -> None:
        master.change(masked_macs=[MAC])
        master.run()
        dnsmasq.wait_until_read()
        for architecture in (BIOS, UEFI):
            assert [offer.server for offer in machines.offers(MAC, architecture)] == [SITE]
        assert {offer.server for offer in machines.offers(OTHER_MAC, BIOS)} == {MASTER, SITE}

    def test_who_is_in_the_sites_lease_file_is_adopted(self, machines: Any, master: Any, site_server: Any) -> None:
        lent = machines.boot(MAC, name="visitor")
        master.wait_for(1, lambda: len(load_leases(site_server).leases), patience=5)
        master.run()
        assert master.names() == {MAC: "n101"}
        [evidence] = master.record().machines
        assert (evidence.address, evidence.client_name) == (lent.address, "visitor")
        assert IPv4Address(evidence.address) in master.config.address.network


class TestProxyWithoutLeaseFile:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"dhcp_mode": "proxy", "leases": str(tmp_path / "none")}

    def test_a_node_that_was_removed_is_no_node_again_before_it_boots_again(
        self, master: Any, wire: Any, ask: Callable[..., int], tmp_path: Path
    ) -> None:
        show = wire.nodes.command("ip", "-o", "link", "show", "dev", "eth0")
        words = subprocess.run(show, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        mac = words[words.index("link/ether") + 1]
        master.config.leases.unlink()
        ask(mac, "10.17.90.1")
        master.run()
        assert master.names() == {mac: "n101"}
        assert [node.name for node in load_machines(tmp_path / "cluster.json").nodes] == ["n101"]
        code = ("-c", REMOVE, str(COLLECTIONS), str(tmp_path / "cluster.json"), "n101")
        subprocess.run(wire.master.command(sys.executable, *code), check=True)
        master.run()
        assert master.names() == {}
