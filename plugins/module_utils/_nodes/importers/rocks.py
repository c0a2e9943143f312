# SPDX-License-Identifier: GPL-3.0-or-later
"""What both listings of a Rocks cluster have in common: a host's place, and which of its interfaces it boots from."""

from __future__ import annotations

from collections.abc import Mapping

from .draft import Draft

MASTER = "localhost"
PRIVATE = "private"  # the network from which Rocks boots
FRONTEND = "Frontend"
_CARRIED = frozenset({"mac", "ip", "subnet", "name", "iface"})


def take_host(draft: Draft, name: str, said: Mapping[str, str], line: int) -> None:
    """Take a host over, with its membership as its group and its place as variables; but the frontend is no node."""
    if said.get("membership") == FRONTEND:
        draft.leave_out(f"host {name!r}", line, "it is the frontend")
        return
    node = draft.node(name, line)
    if said.get("membership"):
        node.set("group", said["membership"], line)
    node.variables.update({key: said[key] for key in ("rack", "rank") if said.get(key)})
    for key in said.keys() - {"host", "membership", "rack", "rank"}:
        draft.skip(key, line)


class Interfaces:
    """The interfaces of all hosts. A host that is not listed as one, such as the frontend, has none here."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, tuple[str, int]]] = {}

    def set(self, host: str, device: str, key: str, value: str, line: int) -> None:
        self._found.setdefault((host, device), {})[key] = (value, line)

    def apply(self, draft: Draft) -> None:
        """Give each node its MACs, that of the private network first, and its address there."""
        for (host, device), said in sorted(self._found.items(), key=lambda item: not _is_private(item[1])):
            line = min(line for _value, line in said.values())
            node = draft.find(host)
            if node is None:
                continue
            if "mac" in said:
                node.macs.append(said["mac"])
            if "ip" in said and _is_private(said):
                node.set("address", *said["ip"])
            elif "ip" in said:
                draft.leave_out(f"the address of {device}", line, "it is not of the private network")
            for key in said.keys() - _CARRIED:
                draft.skip(key, said[key][1], of="an interface")


def _is_private(said: Mapping[str, tuple[str, int]]) -> bool:
    return said.get("subnet", ("", 0))[0] == PRIVATE
