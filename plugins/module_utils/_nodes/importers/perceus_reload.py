# SPDX-License-Identifier: GPL-3.0-or-later
"""``/etc/perceus/nodes.conf``, from which ``perceus-reload`` makes Perceus's databases.

``NAME MAC GROUP VNFS ADDRESS``, as hpc/perceus-reload ``perceus-reload.pl`` reads it.
"""

from __future__ import annotations

from .draft import Draft, Imported
from .lines import numbered


def parse(text: str) -> Imported:
    """Return the nodes of the file."""
    draft = Draft()
    for number, line in numbered(text):
        fields = line.split()
        if len(fields) != 5:
            draft.leave_out("a line", number, "it does not read NAME MAC GROUP VNFS ADDRESS")
            continue
        name, mac, group, vnfs, address = fields
        node = draft.begin(name, number)
        node.macs.append((mac, number))
        node.set("group", group, number)
        node.set("vnfs", vnfs, number)
        node.set("address", address, number)
    return draft.result()
