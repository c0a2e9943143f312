# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry as a value: which node is what, and what a node is in effect by its group and the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv4Address
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError

DEFAULT_BOOT = "image"
ALL_VNFS = "*"  # in the place of a VNFS's name


@dataclass(frozen=True)
class Node:
    """One machine. ``vnfs``, ``boot`` and ``console`` are None when its group decides; ``kernel_args`` add to its
    group's; ``adopted`` is UTC, ``2030-01-01T00:00:00Z``; ``variables`` become variables of its inventory host;
    ``installed`` is the generation that it was installed with on its disk, ``reinstall`` the token by which it is to
    be, empty for none.
    """

    name: str
    macs: tuple[str, ...]
    address: IPv4Address
    group: str
    enabled: bool
    machine_id: str
    adopted: str
    vnfs: str | None = None
    boot: str | None = None
    console: str | None = None
    kernel_args: str = ""
    description: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict, hash=False)
    overlays: tuple[str, ...] = ()
    installed: str = ""
    reinstall: str = ""


@dataclass(frozen=True)
class Group:
    """A group's policy. ``vnfs``, ``boot`` and ``console`` are None when the cluster decides."""

    name: str
    vnfs: str | None = None
    boot: str | None = None
    console: str | None = None
    kernel_args: str = ""
    overlays: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Effective:
    """A value that follows from node, group and cluster; ``origin`` is ``node``, ``group`` or ``default``."""

    value: str
    origin: str


@dataclass(frozen=True)
class Registry:
    """All groups and nodes, the nodes in natural order of their names; no name, MAC or address twice.

    ``masked`` has the reason for each MAC that another boot system owns, beside those that the configuration masks.
    ``dismissed`` has for MACs of nodes that were removed the end (seconds since 1970, 0 for never) of the lease that
    they held then: that lease makes no node of them again, the next one may. ``overlays`` are active for the nodes of
    a VNFS, those of :data:`ALL_VNFS` for all.
    """

    groups: Mapping[str, Group]
    nodes: tuple[Node, ...]
    masked: Mapping[str, str] = field(default_factory=dict)
    dismissed: Mapping[str, int] = field(default_factory=dict)
    overlays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def members(self, group: str) -> list[str]:
        """Return the names of the nodes in a group."""
        return [node.name for node in self.nodes if node.group == group]

    @cached_property
    def by_mac(self) -> dict[str, Node]:
        return {mac: node for node in self.nodes for mac in node.macs}

    def masked_macs(self, config: ClusterConfig) -> frozenset[str]:
        """The MACs that another boot system owns, by the registry or the configuration."""
        return config.masked_macs | self.masked.keys()

    @property
    def addresses(self) -> dict[str, IPv4Address]:
        """The node's address for each of its MACs."""
        return {mac: node.address for mac, node in self.by_mac.items()}

    def effective_vnfs(self, node: Node, *, default: str) -> Effective:
        """Return the VNFS that ``node`` boots: its own, else its group's, else the cluster's ``default``."""
        return self._effective("vnfs", node, default)

    def effective_boot(self, node: Node) -> Effective:
        """Return what ``node`` boots: ``image`` (of its VNFS), ``disk``, ``local``, ``memtest`` or ``shell``."""
        return self._effective("boot", node, DEFAULT_BOOT)

    def effective_console(self, node: Node, *, default: str) -> Effective:
        """Return the node's console."""
        return self._effective("console", node, default)

    def added_kernel_args(self, node: Node, config: ClusterConfig) -> tuple[Effective, ...]:
        """Return what is added to the VNFS's kernel arguments, the most particular last: the kernel heeds that."""
        group = self.groups.get(node.group)
        added = (
            Effective(config.kernel_args, "default"),
            Effective(group.kernel_args if group else "", "group"),
            Effective(node.kernel_args, "node"),
        )
        return tuple(args for args in added if args.value)

    def _effective(self, key: str, node: Node, default: str) -> Effective:
        own: str | None = getattr(node, key)
        if own is not None:
            return Effective(own, "node")
        policy: str | None = getattr(self.groups.get(node.group), key, None)
        return Effective(default, "default") if policy is None else Effective(policy, "group")

    def vnfs_in_use(self, *, default: str) -> list[str]:
        """Return the names of the VNFSs that nodes boot, sorted."""
        return sorted({self.effective_vnfs(node, default=default).value for node in self.nodes})

    def with_nodes(self, added: Iterable[Node]) -> Registry:
        """Return a registry that also holds ``added``. Raises :class:`PerceusError` on a name, MAC or address twice."""
        return self.of_nodes([*self.nodes, *added])

    def of_nodes(self, nodes: Iterable[Node]) -> Registry:
        """Return a registry that holds these nodes instead. Raises :class:`PerceusError` as :meth:`with_nodes` does."""
        nodes = in_natural_order(nodes)
        for index, twice in find_duplicates(nodes, self.masked):
            raise PerceusError(f"Cannot register node {nodes[index].name!r}: {twice}", hint="Remove one of the two")
        return replace(self, nodes=nodes)


EMPTY = Registry({}, ())


def in_natural_order(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return the nodes with n9 before n10: runs of digits compare as numbers."""
    return tuple(sorted(nodes, key=_natural_key))


def _natural_key(node: Node) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", node.name)]


def find_duplicates(nodes: Sequence[Node], masked: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield index and reason for each name, MAC and address that stands there before, and for each masked MAC."""
    names: dict[str, str] = {}
    addresses: dict[IPv4Address, str] = {}
    macs: dict[str, str] = {}
    for index, node in enumerate(nodes):
        if node.name in names:
            yield index, f"name {node.name} belongs to node {node.name!r} already"
        if node.address in addresses:
            yield index, f"address {node.address} belongs to node {addresses[node.address]!r} already"
        names[node.name] = addresses[node.address] = node.name
        for mac in node.macs:
            if mac in macs:
                yield index, f"MAC {mac} belongs to node {macs[mac]!r} already"
            if mac in masked:
                yield index, f"MAC {mac} is masked"
            macs[mac] = node.name
