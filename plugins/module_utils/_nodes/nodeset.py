# SPDX-License-Identifier: GPL-3.0-or-later
"""Node sets: which nodes are meant by ``n[101-137,140]``, ``@group``, ``n1*``, and what is made of them.

The language is ClusterShell's: ``,`` adds, ``!`` takes away, ``&`` keeps what is in both, ``^`` what is in one of them,
from left to right. ClusterShell knows Perceus's ``*`` and ``?`` too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._errors import PerceusError
from .registry import Node, Registry

try:
    from ClusterShell.NodeSet import NodeSet, NodeSetException
    from ClusterShell.NodeUtils import GroupResolver, GroupResolverError, GroupSource
except ImportError:
    NodeSet = None

LARGEST_RANGE = 1_000_000  # numbers; ClusterShell makes a name of each before anything else

_OPERATOR = re.compile(r"[,!&^](?![^\[]*\])")  # those in brackets are part of a range
_RANGE = re.compile(r"(\d+)-(\d+)(?=[^\[]*\])", re.ASCII)


def select_nodes(text: str, registry: Registry, *, missing_ok: bool = False) -> tuple[Node, ...]:
    """Return the nodes that ``text`` means, in the registry's order.

    Raises :class:`PerceusError` when it is no node set, and unless ``missing_ok`` when any part of it matches nothing.
    """
    if text in registry.by_name:
        return (registry.by_name[text],)
    names = select_names(text, {node.name: node.group for node in registry.nodes}, missing_ok=missing_ok)
    return tuple(node for node in registry.nodes if node.name in names)


def select_names(text: str, group_of: Mapping[str, str], *, missing_ok: bool = False) -> set[str]:
    """Return the names that ``text`` means; ``group_of`` has the group of each node by name. Raises the same."""
    if text in group_of:  # also where ClusterShell is not
        return {text}
    if not text.strip():
        raise PerceusError("Cannot select nodes: none are named", hint="Write n101, n[101-137,140], n1* or @group")
    if NodeSet is None:
        raise PerceusError(
            f"Cannot read node set {text!r}: the Python library ClusterShell is missing",
            hint="Install the package python3-clustershell on the master, as playbooks/site.yml does",
        )
    resolver = GroupResolver(_source(group_of))
    parts = {part: _expand(part, resolver) for part in _OPERATOR.split(text)}
    for part, found in parts.items():
        unknown = sorted(found - group_of.keys())
        if not missing_ok and (unknown or not found):
            named = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if unknown[5:] else "")
            raise PerceusError(
                f"Cannot select nodes {text!r}: no node matches {named or repr(part.strip())}",
                hint="See nodes_summary for what there is",
            )
    names = parts.get(text) or _expand(text, resolver)
    if not names and not missing_ok:
        raise PerceusError(f"Cannot select nodes {text!r}: nothing is left of it")
    return names


def _source(group_of: Mapping[str, str]) -> GroupSource:
    members: dict[str, list[str]] = {}
    for name, group in group_of.items():
        members.setdefault(group, []).append(name)
    groups = {group: ",".join(names) for group, names in members.items()}
    return GroupSource("perceus", groups, allgroups=",".join(group_of))


def _expand(text: str, resolver: GroupResolver) -> set[str]:
    for first, last in _RANGE.findall(text):
        if int(last) - int(first) > LARGEST_RANGE:
            raise PerceusError(f"Cannot read node set {text[:100]!r}: its range is too large", hint="Use a '*'")
    try:
        return set(NodeSet(text, resolver=resolver))
    except (NodeSetException, GroupResolverError, ValueError) as error:  # the last one is what it makes of [----]
        raise PerceusError(
            f"Cannot read node set {text[:100]!r}: {error}", hint="Write n101, n[101-137,140], n1* or @group"
        ) from error
