# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes a livesync is for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._errors import PerceusError
from .._nodes.machines import Machine

UP = ("ready", "livesync")  # a node whose last word is another is still booting, and will boot the new generation


def select_targets(nodes: Iterable[Machine], *, vnfs: str, names: Sequence[str]) -> list[Machine]:
    """Return the nodes called ``names``, in their order, or every node of ``vnfs`` that is up when there are none.

    Raises :class:`PerceusError` for a name that is no node's, and for a node that boots another VNFS.
    """
    if not names:
        return [
            node for node in nodes if node.facts["vnfs"] == vnfs and "live" in node.groups and node.facts["state"] in UP
        ]
    by_name = {node.name: node for node in nodes}
    for name in names:
        if name not in by_name:
            raise PerceusError(f"Cannot livesync {name!r}: there is no such node", hint="Look at nodes_summary")
        other = by_name[name].facts["vnfs"]
        if other != vnfs:
            raise PerceusError(
                f"Cannot livesync {name!r} with VNFS {vnfs!r}: it boots {other!r}",
                hint=f"Livesync VNFS {other!r}, or give the node VNFS {vnfs!r} and reboot it",
            )
    return [by_name[name] for name in dict.fromkeys(names)]
