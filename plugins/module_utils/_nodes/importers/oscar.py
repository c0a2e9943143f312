# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``mksimachine --parse`` of OSCAR's System Installation Suite prints: machines, then their adapters.

``#Machine definitions`` are ``NAME:HOSTNAME:GATEWAY:IMAGE``, ``#Adapter definitions``
``MACHINE:DEVICE:ADDRESS:NETMASK:MAC``, the MAC without its colons: oscar-cluster/oscar-systeminstaller
``bin/mksiadapter``, and the sample in oscar-cluster/oscar ``lib/OSCAR/ClientMgt.pm``.
"""

from __future__ import annotations

from .draft import Draft, Imported
from .reasons import ONE_ADDRESS


def parse(text: str) -> Imported:
    """Return the nodes that have a machine's definition."""
    draft = Draft()
    adapters = False
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if line.startswith("#"):
            adapters = adapters or line.startswith("#Adapter definitions")
        elif line:
            name, *fields = line.split(":", 4)
            if len(fields) != (4 if adapters else 3):
                draft.leave_out("a line", number, "it has not the fields of a machine or adapter")
            elif adapters:
                _take_adapter(draft, name, fields, number)
            else:
                _take_machine(draft, name, fields, number)
    return draft.result()


def _take_machine(draft: Draft, name: str, fields: list[str], line: int) -> None:
    _host_name, gateway, image = fields
    node = draft.node(name, line)
    if image:
        node.set("vnfs", image, line)
    if gateway:
        draft.skip("gateway", line)


def _take_adapter(draft: Draft, name: str, fields: list[str], line: int) -> None:
    device, address, _netmask, mac = fields
    node = draft.node(name, line)
    if mac:
        node.macs.append((mac, line))
    if address and "address" not in node.values:
        node.set("address", address, line)
    elif address:
        draft.leave_out(f"the address of {device}", line, ONE_ADDRESS)
