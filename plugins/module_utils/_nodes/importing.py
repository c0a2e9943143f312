# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the registry when nodes of another provisioner are imported. What is there already stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from .._errors import PerceusError
from .._names import parse_kernel_args
from .address_plan import find_unfit
from .change import Plan
from .declare import Means, declare_nodes
from .importers.draft import Imported, LeftOut, Row
from .registry import Group, Registry
from .registry_file import node_as_dict

POLICY = ("vnfs", "boot", "console")  # what a node has from its group unless it says so itself
_INNER = frozenset({"machine_id", "adopted"})


@dataclass(frozen=True)
class ImportPlan(Plan):
    """``carried`` are the nodes that the import is about, each with its ``action``: ``add``, ``update`` or ``none``."""

    carried: tuple[Mapping[str, Any], ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def masked(self) -> list[str]:
        """The MACs that are masked from now on."""
        return sorted(self.after.masked.keys() - self.before.masked.keys())


def load_text(source: Path) -> str:
    """Read a file of whatever encoding: what is not UTF-8 in it is no name. Raises :class:`PerceusError`."""
    try:
        return source.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise PerceusError(f"Cannot read {str(source)!r}: {error.strerror}") from error


def plan_import(
    imported: Imported, registry: Registry, means: Means, *, origin: str, update: bool = False
) -> ImportPlan:
    """Decide about each node, group and mask of the import; what cannot be is left out.

    ``origin`` says why a MAC is masked. With ``update``, a node or group that is there gets what the import says of it;
    but no node loses its address or a MAC.
    """
    planner = _Planner(registry, means, update)
    masked = planner.masks(imported.masked, origin)
    welcome = [row for row in imported.nodes if planner.is_welcome(row, masked)]
    rows = [planner.known(row) for row in welcome if update or row["name"] not in registry.by_name]
    policies = planner.policies(rows, [planner.known(row) for row in imported.groups])
    groups = planner.groups(policies)
    entries = list(planner.entries(rows, policies, groups))
    after = declare_nodes(replace(registry, groups=groups, masked=masked), entries, means, all_of_them=False)
    about = {row["name"] for row in welcome}
    carried = tuple(_carried(registry, after, name) for name in after.by_name if name in about)
    return ImportPlan(registry, after, carried=carried, left_out=(*imported.left_out, *planner.left_out))


def _carried(before: Registry, after: Registry, name: str) -> dict[str, Any]:
    old, new = before.by_name.get(name), after.by_name[name]
    action = "add" if old is None else "none" if old == new else "update"
    return {"action": action, **{key: value for key, value in node_as_dict(new).items() if key not in _INNER}}


class _Planner:
    """The registry that an import meets, and what it leaves out because of it."""

    def __init__(self, registry: Registry, means: Means, update: bool) -> None:
        self._registry = registry
        self._means = means
        self._update = update
        self._left_out: dict[tuple[str, str], int] = {}

    @property
    def left_out(self) -> list[LeftOut]:
        return [LeftOut(None, what, reason, times) for (what, reason), times in self._left_out.items()]

    def _leave_out(self, what: str, reason: str) -> None:
        self._left_out[what, reason] = self._left_out.get((what, reason), 0) + 1

    def known(self, row: Row) -> Row:
        """Return the row of a node or group without a VNFS that is not here."""
        if row.get("vnfs") is None or row["vnfs"] in self._means.known.vnfs:
            return row
        self._leave_out(f"VNFS {row['vnfs']!r}", "the master has none of this name: make it, then import with update")
        return {key: value for key, value in row.items() if key != "vnfs"}

    def masks(self, macs: Iterable[str], origin: str) -> dict[str, str]:
        """Return all masks."""
        masked = dict(self._registry.masked)
        for mac in macs:
            if mac in self._registry.by_mac:
                self._leave_out(f"the mask of {mac}", f"it is node {self._registry.by_mac[mac].name!r}")
            elif mac not in self._means.config.masked_macs:
                masked.setdefault(mac, origin)
        return masked

    def is_welcome(self, row: Row, masked: Mapping[str, str]) -> bool:
        """Whether nothing that is there speaks against a node of this name and these MACs."""
        before = self._registry.by_name.get(row["name"])
        owners = {mac: self._registry.by_mac[mac].name for mac in row["macs"] if mac in self._registry.by_mac}
        others = {mac: owner for mac, owner in owners.items() if owner != row["name"]}
        masks = [mac for mac in row["macs"] if mac in masked or mac in self._means.config.masked_macs]
        if masks:
            reason = f"its MAC address {masks[0]} is masked"
        elif others:
            mac, owner = next(iter(others.items()))
            reason = f"its MAC address {mac} belongs to node {owner!r}"
        elif before is not None and not owners:
            reason = f"a node of this name is there, with MAC address {before.macs[0]}"
        else:
            return True
        self._leave_out(f"node {row['name']!r}", reason)
        return False

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

    def entries(self, rows: list[Row], policies: Mapping[str, Row], groups: Mapping[str, Group]) -> Iterator[Row]:
        """Yield the rows as the module ``node`` would be given them."""
        addresses = self._give_addresses([row for row in rows if row["name"] not in self._registry.by_name])
        for row in rows:
            name, group = row["name"], self._group_of(row)
            before = self._registry.by_name.get(name)
            if before is None and name not in addresses:
                self._leave_out(f"node {name!r}", "the node range has no free address")
                continue
            if before is not None and row.get("address", str(before.address)) != str(before.address):
                self._leave_out(f"address {row['address']} of node {name!r}", f"it keeps {before.address}")
            macs = [*before.macs, *(mac for mac in row["macs"] if mac not in before.macs)] if before else row["macs"]
            said = {**row, "group": group, "macs": macs, "address": addresses.get(name)}
            yield self._fitting({**said, **_beside_policy(row, policies.get(group, {}), groups[group])})

    def _fitting(self, said: Row) -> Row:
        """Return the row, without kernel arguments if its own and those of its group are too long together."""
        try:
            parse_kernel_args(said.get("kernel_args", ""))
        except PerceusError:
            self._leave_out(f"kernel arguments of node {said['name']!r}", "with those of its group they are too long")
            return {key: value for key, value in said.items() if key != "kernel_args"}
        return said

    def _give_addresses(self, rows: list[Row]) -> dict[str, str]:
        """Return addresses of new nodes: those that the import gives, then those that are left, as far as they go."""
        config = self._means.config
        owners = {node.address: node.name for node in self._registry.nodes}
        given: dict[str, IPv4Address] = {}
        wanted = {row["name"]: IPv4Address(row["address"]) for row in rows if "address" in row}
        unfit = find_unfit(set(wanted.values()), config)
        for name, address in wanted.items():
            if address in unfit or address in owners:
                reason = unfit.get(address) or f"it belongs to node {owners[address]!r}"
                self._leave_out(f"address {address} of node {name!r}", f"{reason}: it has another now")
            else:
                given[name], owners[address] = address, name
        numbered = {config.name_of(number): config.address_of(number) for number in config.numbers}
        spare = (config.address_of(number) for number in reversed(config.numbers))  # numbers come from the other end
        for name in (row["name"] for row in rows if row["name"] not in given):
            free = numbered.get(name)
            if free is None or free in owners:
                free = next((address for address in spare if address not in owners), None)
            if free is not None:
                given[name], owners[free] = free, name
        return {name: str(address) for name, address in given.items()}

    def _group_of(self, row: Row) -> str:
        before = self._registry.by_name.get(row["name"])
        return str(row.get("group") or (before.group if before else self._means.config.default_group))


def _beside_policy(row: Row, policy: Row, group: Group) -> Row:
    """Return what the node must say itself so that it has what the import gives it, by itself or by its group."""
    said: Row = {}
    for key in POLICY:
        wanted = row.get(key) or policy.get(key)
        if wanted is not None:
            said[key] = "" if wanted == getattr(group, key) else wanted
    arguments = f"{policy.get('kernel_args', '')} {row.get('kernel_args', '')}".split()
    if arguments:
        said["kernel_args"] = " ".join(word for word in arguments if word not in group.kernel_args.split())
    return said
