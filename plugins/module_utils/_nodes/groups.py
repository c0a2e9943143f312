# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator says of groups and masks, made part of the registry. Pure: the caller reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .._names import parse_description, parse_group_name, parse_mac
from .declare import Known
from .registry import Group, Registry
from .registry_file import GROUP_FIELDS, parse_policy


def declare_groups(
    registry: Registry, entries: Iterable[Mapping[str, Any]], known: Known, *, all_of_them: bool
) -> Registry:
    """Return the registry in which groups have the policy that ``entries``, options of the module ``node_group``, say.

    If the entries are about ``all_of_them``, other groups go, and what is not said of a group is as with a new one.
    Raises :class:`PerceusError` when it cannot be so.
    """
    declared: dict[str, Group] = {}
    for entry in entries:
        said = {key: value for key, value in entry.items() if value is not None}
        name = parse_group_name(said.pop("name"))
        values = parse_policy(said, GROUP_FIELDS, what=f"group {name!r}")
        known.require(values, f"group {name!r}")
        begun = declared.get(name) or (None if all_of_them else registry.groups.get(name))
        declared[name] = replace(begun or Group(name), **values)
    if not all_of_them:
        return replace(registry, groups={**registry.groups, **declared})
    for name in registry.groups.keys() - declared.keys():
        _refuse_members(registry, name)
    return replace(registry, groups=declared)


def remove_group(registry: Registry, name: str, *, move_to: str | None) -> Registry:
    """Return the registry without this group; its nodes are in the group ``move_to`` then.

    Raises :class:`PerceusError` when there are nodes in it that nobody says what to do with.
    """
    if move_to is None:
        _refuse_members(registry, name)
        return replace(registry, groups={group: policy for group, policy in registry.groups.items() if group != name})
    if parse_group_name(move_to) == name:
        raise PerceusError(f"Cannot remove group {name!r}: its nodes cannot move to itself", hint="Name another group")
    moved = (replace(node, group=move_to) if node.group == name else node for node in registry.nodes)
    groups = {move_to: Group(move_to), **registry.groups} if registry.members(name) else dict(registry.groups)
    groups.pop(name, None)
    return replace(registry.of_nodes(moved), groups=groups)


def _refuse_members(registry: Registry, name: str) -> None:
    members = registry.members(name)
    if members:
        named = ", ".join(members[:5]) + (f" and {len(members) - 5} more" if members[5:] else "")
        raise PerceusError(
            f"Cannot remove group {name!r}: {named} {'are' if members[1:] else 'is'} in it",
            hint="Say with move_to which group they are in then, or remove them first",
        )


def mask_macs(registry: Registry, macs: Iterable[str], reason: str, config: ClusterConfig) -> Registry:
    """Return the registry in which these MACs belong to another boot system, and why.

    Those that the configuration masks are left to it. Raises :class:`PerceusError` when one of them is a node's.
    """
    parse_description(reason)
    masked = {mac: reason for mac in map(parse_mac, macs) if mac not in config.masked_macs}
    for mac in masked:
        if mac in registry.by_mac:
            raise PerceusError(
                f"Cannot mask {mac}: it belongs to node {registry.by_mac[mac].name!r}", hint="Remove the node first"
            )
    return replace(registry, masked={**registry.masked, **masked})


def unmask_macs(registry: Registry, macs: Iterable[str], config: ClusterConfig) -> Registry:
    """Return the registry without these masks. Raises :class:`PerceusError` for one that is the configuration's."""
    unmasked = {parse_mac(mac) for mac in macs}
    for mac in sorted(unmasked & config.masked_macs):
        raise PerceusError(
            f"Cannot unmask {mac}: the cluster's configuration masks it",
            hint="Take it out of perceus_masked_macs and run playbooks/site.yml",
        )
    return replace(registry, masked={mac: why for mac, why in registry.masked.items() if mac not in unmasked})
