# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator says of nodes, made part of the registry. Pure: the caller reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .._names import parse_mac, parse_node_name
from .address_plan import NOWHERE, place, require_addresses
from .adoption import free_numbers
from .nodeset import select_nodes
from .registry import Group, Node, Registry
from .registry_file import NODE_FIELDS, parse_policy

# What an operator may say of a node, and what is so of a node of which nothing was said.
_SAID = {
    key: NODE_FIELDS[key] for key in NODE_FIELDS.keys() - {"name", "machine_id", "adopted", "installed", "reinstall"}
}
_UNSAID: Mapping[str, Any] = {
    "enabled": True,
    "vnfs": None,
    "boot": None,
    "console": None,
    "kernel_args": "",
    "description": "",
    "variables": {},
    "overlays": (),
}


@dataclass(frozen=True)
class Known:
    """The names of the VNFSs and overlays that there are."""

    vnfs: Collection[str]
    overlays: Collection[str]

    def require(self, values: Mapping[str, Any], who: str) -> None:
        """Raise :class:`PerceusError` when ``who`` is to boot a VNFS, or to get an overlay, that is not there."""
        require_vnfs(values.get("vnfs"), self.vnfs, who)
        for overlay in values.get("overlays", ()):
            if overlay not in self.overlays:
                raise PerceusError(
                    f"Cannot have {who} get overlay {overlay!r}: there is no such overlay",
                    hint=f"There is {', '.join(sorted(self.overlays)) or 'none yet'}: see overlays_list",
                )


@dataclass(frozen=True)
class Means:
    """What is needed beside the registry.

    ``new_machine_id`` returns 32 hex digits, others at each call; ``now`` is aware.
    """

    config: ClusterConfig
    known: Known
    now: datetime
    new_machine_id: Callable[[], str]


def declare_nodes(
    registry: Registry, entries: Iterable[Mapping[str, Any]], means: Means, *, all_of_them: bool
) -> Registry:
    """Return the registry in which the nodes are what ``entries``, options of the module ``node``, say.

    An entry with MACs is one node, made if it is not there, and no other says other MACs of it; any other is about
    nodes that are. If the entries are about ``all_of_them``, other nodes go, what is not said of a node is as with a
    new one, and an entry without MACs is about nodes of entries before it.
    Raises :class:`PerceusError` when it cannot be so.
    """
    declaration = _Declaration(registry, means, all_of_them)
    # Those without a name get what numbers the others leave.
    for entry in sorted(entries, key=lambda entry: not entry.get("name")):
        declaration.take(entry)
    return declaration.result()


def add_nodes(registry: Registry, entries: Iterable[Mapping[str, Any]], means: Means) -> Registry:
    """Return the registry in which the nodes are what ``entries`` say as well, but no node is another machine.

    Raises :class:`PerceusError` for a node that is there and has other MACs, and as :func:`declare_nodes` does.
    """
    after = declare_nodes(registry, entries, means, all_of_them=False)
    for node in registry.nodes:
        macs = after.by_name[node.name].macs
        if macs != node.macs:
            said, has = ", ".join(macs), ", ".join(node.macs)
            raise PerceusError(
                f"Cannot add node {node.name!r} with MAC {said}: it is there, with MAC {has}",
                hint="Use nodes_replace to put another machine in its place, or give the new node another name",
            )
    return after


class _Declaration:
    """The nodes on their way from one registry to the next."""

    def __init__(self, registry: Registry, means: Means, all_of_them: bool) -> None:
        self._registry = registry
        self._means = means
        self._all = all_of_them
        self._nodes = dict(registry.by_name)
        self._owners = {mac: node.name for mac, node in registry.by_mac.items()}
        self._declared: dict[str, Node] = {}
        self._identified: set[str] = set()  # nodes of which an entry said the MACs
        self._placed: set[str] = set()
        self._numbers: Iterator[int] | None = None  # free ones, from the first node without a name on

    def take(self, entry: Mapping[str, Any]) -> None:
        said = {key: value for key, value in entry.items() if value is not None}
        name = said.pop("name", None)
        values = parse_policy(said, _SAID, what="a node")
        self._check(values, name)
        for node in self._find(name, values.get("macs", ())):
            changed = replace(self._begun(node), **values)
            self._nodes[node.name] = self._declared[node.name] = changed
            if "macs" in values:
                self._identify(node, changed.macs)
            if "address" in values:
                self._placed.add(node.name)

    def _identify(self, node: Node, macs: tuple[str, ...]) -> None:
        if node.name in self._identified and node.macs != macs:
            said, before = ", ".join(macs), ", ".join(node.macs)
            raise PerceusError(
                f"Cannot register node {node.name!r} with MAC {said}: an entry before has {before}",
                hint="Write all MAC addresses of a node in one entry",
            )
        self._identified.add(node.name)
        for mac in node.macs:
            if self._owners.get(mac) == node.name:
                del self._owners[mac]
        self._owners.update(dict.fromkeys(macs, node.name))

    def _begun(self, node: Node) -> Node:
        if not self._all or node.name in self._declared:
            return node
        return replace(node, group=self._means.config.default_group, **_UNSAID)

    def _check(self, values: Mapping[str, Any], name: str | None) -> None:
        config, known = self._means.config, self._means.known
        known.require(values, f"node {values['macs'][0]}" if name is None else f"nodes {name!r}")
        for mac in values.get("macs", ()):
            if mac in self._registry.masked_macs(config):
                raise PerceusError(
                    f"Cannot register node {name or mac!r}: MAC {mac} is masked", hint="Take its mask away first"
                )

    def _find(self, name: str | None, macs: tuple[str, ...]) -> Iterable[Node]:
        """Return the nodes that an entry is about, new ones without an address."""
        if not macs:
            return self._select(str(name))
        if name is None:
            owners = sorted({self._owners[mac] for mac in macs if mac in self._owners})
            if len(owners) > 1:
                raise PerceusError(f"Cannot register {', '.join(macs)} as one node: they belong to {', '.join(owners)}")
            name = owners[0] if owners else self._free_name(macs[0])
        return (self._nodes.get(parse_node_name(name)) or self._new(name, macs),)

    def _select(self, text: str) -> Iterable[Node]:
        meant = self._declared if self._all else self._nodes
        if text in meant:
            return (meant[text],)
        return select_nodes(text, replace(self._registry, nodes=tuple(meant.values())))

    def _new(self, name: str, macs: tuple[str, ...]) -> Node:
        means = self._means
        return Node(
            name=name,
            macs=macs,
            address=NOWHERE,
            group=means.config.default_group,
            enabled=True,
            machine_id=means.new_machine_id(),
            adopted=means.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def _free_name(self, mac: str) -> str:
        config = self._means.config
        if self._numbers is None:
            self._numbers = free_numbers(replace(self._registry, nodes=tuple(self._nodes.values())), config)
        number = next(self._numbers, None)
        if number is None:
            raise PerceusError(
                f"Cannot register {mac}: node_range {config.node_range} has no free number",
                hint="Widen node_range, or remove nodes",
            )
        return config.name_of(number)

    def result(self) -> Registry:
        config = self._means.config
        require_addresses([self._declared[name] for name in sorted(self._placed)], config)
        nodes = place(self._declared if self._all else self._nodes, config)
        return with_their_groups(self._registry.of_nodes(nodes.values()))


def require_vnfs(vnfs: str | None, known: Collection[str], who: str) -> None:
    """Raise :class:`PerceusError` when ``who`` is to boot a VNFS that is not there."""
    if vnfs is not None and vnfs not in known:
        raise PerceusError(
            f"Cannot have {who} boot VNFS {vnfs!r}: there is no such VNFS",
            hint=f"There is {', '.join(sorted(known)) or 'none yet'}: see vnfs_list",
        )


def with_their_groups(registry: Registry) -> Registry:
    """Return the registry with a group for every node that names one."""
    return replace(registry, groups={**{node.group: Group(node.group) for node in registry.nodes}, **registry.groups})


def remove_nodes(registry: Registry, entries: Iterable[Mapping[str, Any]]) -> Registry:
    """Return the registry without the nodes that the entries are about, be they there or not."""
    gone: set[Node] = set()
    for entry in entries:
        name, macs = entry.get("name"), [parse_mac(mac) for mac in entry.get("macs") or ()]
        owners = {mac: registry.by_mac[mac] for mac in macs if mac in registry.by_mac}
        if name is None:
            gone.update(owners.values())
            continue
        named = select_nodes(name, registry, missing_ok=True)
        for mac in macs:
            if owners.get(mac) not in (named or [None]):  # when the node has gone already, its MACs are nobody's
                whose = f"node {owners[mac].name!r}" if mac in owners else "no node"
                raise PerceusError(
                    f"Cannot remove node {name!r}: MAC {mac} belongs to {whose}", hint="See nodes_status"
                )
        gone.update(named)
    return registry.of_nodes(node for node in registry.nodes if node not in gone)


def replace_node(registry: Registry, name: str, replacement: str, config: ClusterConfig) -> Registry:
    """Return the registry in which the node of this name is another machine: it keeps all but its MACs and disks.

    ``replacement`` is that machine's MAC, or the name of the node that it is now, and is no more then.
    """
    old = require_node(registry, name, "replace")
    if replacement in registry.by_name:
        macs = registry.by_name[replacement].macs
    else:
        mac = _parse_replacement(replacement)
        macs = registry.by_mac[mac].macs if mac in registry.by_mac else (mac,)
    masked = registry.masked_macs(config).intersection(macs)
    if masked:
        raise PerceusError(f"Cannot replace node {name!r} by {replacement!r}: MAC {min(masked)} is masked")
    others = [node for node in registry.nodes if node is not old and node.macs != macs]
    return with_their_groups(registry.of_nodes([*others, replace(old, macs=macs, installed="", reinstall="")]))


def _parse_replacement(replacement: str) -> str:
    try:
        return parse_mac(replacement)
    except PerceusError as error:
        raise PerceusError(
            f"Cannot replace a node by {replacement!r}: neither a node nor a MAC address",
            hint="Name the new machine's MAC address, or the node as which it was adopted",
        ) from error


def rename_node(registry: Registry, name: str, new_name: str) -> Registry:
    """Return the registry in which the node has another name, and keeps all else."""
    parse_node_name(new_name)
    if name not in registry.by_name and new_name in registry.by_name:
        return registry
    node = require_node(registry, name, "rename")
    if new_name in registry.by_name:
        raise PerceusError(f"Cannot rename node {name!r}: there is a node {new_name!r} already")
    others = [other for other in registry.nodes if other is not node]
    return registry.of_nodes([*others, replace(node, name=new_name)])


def require_node(registry: Registry, name: str, verb: str) -> Node:
    """Return the node of this name; raises :class:`PerceusError` when there is none."""
    if name not in registry.by_name:
        raise PerceusError(f"Cannot {verb} node {name!r}: there is no such node", hint="See nodes_summary")
    return registry.by_name[name]
