# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the registry when nodes of another provisioner are imported. What is there already stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .importers.draft import Imported, LeftOut, Row
from .registry import Group, Node, Registry, in_natural_order
from .registry_file import group_as_dict, node_as_dict

POLICY = ("vnfs", "boot", "console")  # what a node has from its group unless it says so itself
_MADE_UP = frozenset({"machine_id", "adopted"})  # differ at each try


@dataclass(frozen=True)
class ImportPlan:
    """``carried`` are the nodes that the import is about, each with its ``action``: ``add``, ``update`` or ``none``."""

    before: Registry
    after: Registry
    carried: tuple[Mapping[str, Any], ...]
    left_out: tuple[LeftOut, ...]

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def masked(self) -> list[str]:
        """The MACs that are masked from now on."""
        return sorted(self.after.masked.keys() - self.before.masked.keys())

    def as_diff(self) -> dict[str, str]:
        """Return the groups, masks and nodes that change, before and after."""
        before, after = list(_lines(self.before)), list(_lines(self.after))
        gone, new = set(before) - set(after), set(after) - set(before)
        return {
            "before": "".join(f"{line}\n" for line in before if line in gone),
            "after": "".join(f"{line}\n" for line in after if line in new),
        }


def load_text(source: Path) -> str:
    """Read a file of whatever encoding: what is not UTF-8 in it is no name. Raises :class:`PerceusError`."""
    try:
        return source.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise PerceusError(f"Cannot read {str(source)!r}: {error.strerror}") from error


def plan_import(
    imported: Imported,
    registry: Registry,
    config: ClusterConfig,
    *,
    vnfses: Collection[str],
    origin: str,
    now: datetime,
    new_machine_id: Callable[[], str],
    update: bool = False,
) -> ImportPlan:
    """Decide about each node, group and mask of the import.

    ``vnfses`` are those of the store: none other can be a node's. ``origin`` says why a MAC is masked. With ``update``,
    a node or group that is there gets what the import says of it. ``now`` is aware.
    """
    planner = _Planner(registry, config, frozenset(vnfses), update)
    masked = planner.masks(imported.masked, origin)
    welcome = [row for row in imported.nodes if planner.is_welcome(row, masked)]
    there = [] if update else [registry.by_name[row["name"]] for row in welcome if row["name"] in registry.by_name]
    rows = [planner.known(row) for row in welcome if update or row["name"] not in registry.by_name]
    policies = planner.policies(rows, [planner.known(row) for row in imported.groups])
    groups = planner.groups(policies)
    adopted = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    nodes = [
        node if node.adopted else replace(node, machine_id=new_machine_id(), adopted=adopted)
        for node in planner.nodes(rows, policies, groups)
    ]
    all_nodes = in_natural_order({node.name: node for node in (*registry.nodes, *nodes)}.values())
    after = replace(registry, groups=groups, nodes=all_nodes, masked=masked)
    carried = tuple(_carried(node, registry.by_name.get(node.name)) for node in in_natural_order([*there, *nodes]))
    return ImportPlan(registry, after, carried, (*imported.left_out, *planner.left_out))


def _carried(node: Node, before: Node | None) -> dict[str, Any]:
    action = "add" if before is None else "none" if before == node else "update"
    return {"action": action, **{key: value for key, value in node_as_dict(node).items() if key not in _MADE_UP}}


def _lines(registry: Registry) -> Iterator[str]:
    for name, group in sorted(registry.groups.items()):
        yield f"group {name} {json.dumps(group_as_dict(group))}"
    for mac, why in sorted(registry.masked.items()):
        yield f"mask {mac} {why}"
    for node in registry.nodes:
        said = {key: value for key, value in node_as_dict(node).items() if key not in _MADE_UP and key != "name"}
        yield f"node {node.name} {json.dumps(said)}"


class _Planner:
    """The registry that an import meets, and what it leaves out because of it."""

    def __init__(self, registry: Registry, config: ClusterConfig, vnfses: frozenset[str], update: bool) -> None:
        self._registry = registry
        self._config = config
        self._vnfses = vnfses
        self._update = update
        self._left_out: dict[tuple[str, str], int] = {}

    @property
    def left_out(self) -> list[LeftOut]:
        return [LeftOut(None, what, reason, times) for (what, reason), times in self._left_out.items()]

    def _leave_out(self, what: str, reason: str) -> None:
        self._left_out[what, reason] = self._left_out.get((what, reason), 0) + 1

    def known(self, row: Row) -> Row:
        """Return the row of a node or group without a VNFS that is not here."""
        if row.get("vnfs") in (None, *self._vnfses):
            return row
        self._leave_out(f"VNFS {row['vnfs']!r}", "the master has none of this name: make it, then import with update")
        return {key: value for key, value in row.items() if key != "vnfs"}

    def masks(self, macs: Iterable[str], origin: str) -> dict[str, str]:
        """Return all masks."""
        masked = dict(self._registry.masked)
        for mac in macs:
            if mac in self._registry.by_mac:
                self._leave_out(f"the mask of {mac}", f"it is node {self._registry.by_mac[mac].name!r}")
            elif mac not in self._config.masked_macs:
                masked.setdefault(mac, origin)
        return masked

    def is_welcome(self, row: Row, masked: Mapping[str, str]) -> bool:
        """Whether nothing that is there speaks against a node of this name and these MACs."""
        before = self._registry.by_name.get(row["name"])
        owners = {mac: self._registry.by_mac[mac].name for mac in row["macs"] if mac in self._registry.by_mac}
        masks = [mac for mac in row["macs"] if mac in masked or mac in self._config.masked_macs]
        reason = None
        if masks:
            reason = f"its MAC address {masks[0]} is masked"
        elif before is not None and not self._update and not set(row["macs"]) & set(before.macs):
            reason = f"a node of this name is there, with MAC address {before.macs[0]}"
        else:
            for mac, owner in owners.items():
                if owner != row["name"]:
                    reason = f"its MAC address {mac} belongs to node {owner!r}"
        if reason is not None:
            self._leave_out(f"node {row['name']!r}", reason)
        return reason is None

    def policies(self, rows: list[Row], groups: list[Row]) -> dict[str, Row]:
        """Return what the import says of each group that it names.

        When all nodes of a new group boot the same VNFS, that is its policy: who joins later boots it as well.
        """
        booted: dict[str, set[str | None]] = {}
        for row in rows:
            booted.setdefault(self._group_of(row), set()).add(row.get("vnfs"))
        policies: dict[str, Row] = {
            name: {"vnfs": found.pop()} if len(found) == 1 and name not in self._registry.groups else {}
            for name, found in booted.items()
        }
        for group in groups:
            policies[group["name"]] = {**policies.get(group["name"], {}), **group}
        return {
            name: {key: value for key, value in policy.items() if value is not None}
            for name, policy in policies.items()
        }

    def groups(self, policies: Mapping[str, Row]) -> dict[str, Group]:
        """Return all groups."""
        groups = dict(self._registry.groups)
        for name, policy in policies.items():
            if name not in groups or self._update:
                groups[name] = replace(groups.get(name, Group(name)), **policy)
        return groups

    def nodes(self, rows: list[Row], policies: Mapping[str, Row], groups: Mapping[str, Group]) -> Iterator[Node]:
        """Yield the nodes as they are to be; new ones without machine id and time of adoption."""
        addresses = _Addresses(self._registry, self._config)
        wanted = {row["name"]: self._wanted_address(row, addresses) for row in rows}
        for row in rows:
            name, group = row["name"], self._group_of(row)
            before = self._registry.by_name.get(name)
            address = wanted[name] or (before.address if before else addresses.free(name))
            if address is None:
                self._leave_out(f"node {name!r}", "the node range has no free address")
                continue
            node = before or Node(name, (), address, group, True, "", "")
            said: Row = {key: row[key] for key in ("enabled", "description", "variables") if key in row}
            said.update(_beside_policy(row, policies.get(group, {}), groups[group]))
            yield replace(node, macs=tuple(row["macs"]), address=address, group=group, **said)

    def _group_of(self, row: Row) -> str:
        before = self._registry.by_name.get(row["name"])
        return str(row.get("group") or (before.group if before else self._config.default_group))

    def _wanted_address(self, row: Row, addresses: _Addresses) -> IPv4Address | None:
        if "address" not in row:
            return None
        address = IPv4Address(row["address"])
        reason = addresses.take(address, row["name"])
        if reason is None:
            return address
        self._leave_out(f"address {address} of node {row['name']!r}", f"{reason}: it has another now")
        return None


def _beside_policy(row: Row, policy: Row, group: Group) -> dict[str, Any]:
    """Return what the node must say itself so that it has what the import gives it, by itself or by its group."""
    said: dict[str, Any] = {}
    for key in POLICY:
        wanted = row.get(key) or policy.get(key)
        if wanted is not None:
            said[key] = None if wanted == getattr(group, key) else wanted
    arguments = f"{policy.get('kernel_args', '')} {row.get('kernel_args', '')}".split()
    if arguments:
        said["kernel_args"] = " ".join(word for word in arguments if word not in group.kernel_args.split())
    return said


class _Addresses:
    """Which addresses of the cluster are whose."""

    def __init__(self, registry: Registry, config: ClusterConfig) -> None:
        self._config = config
        self._owners = {node.address: node.name for node in registry.nodes}
        self._numbers = {config.name_of(number): config.address_of(number) for number in config.numbers}
        self._others = iter(self._numbers.values())

    def take(self, address: IPv4Address, name: str) -> str | None:
        """Give the node this address, or return why it cannot have it."""
        network = self._config.address.network
        if address not in network or address in (network.network_address, network.broadcast_address):
            return f"it is no address of a host in {network}"
        if address == self._config.address.ip:
            return "it is the master's"
        if address in self._config.discovery_range:
            return "it is in the discovery range"
        if self._owners.get(address, name) != name:
            return f"it belongs to node {self._owners[address]!r}"
        self._owners[address] = name
        return None

    def free(self, name: str) -> IPv4Address | None:
        """Give the node the address of its number, else the first free one."""
        own = self._numbers.get(name)
        if own is None or own in self._owners:
            own = next((address for address in self._others if address not in self._owners), None)
        if own is not None:
            self._owners[own] = name
        return own
