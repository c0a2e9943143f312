# SPDX-License-Identifier: GPL-3.0-or-later
"""What templates of overlays know: the node, the cluster, and the accounts of people on the master."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .._nodes.registry import Node, Registry

PEOPLE = range(1000, 60000)  # user and group ids, by login.defs(5) of all distributions
PASSWD, GROUP = Path("/etc/passwd"), Path("/etc/group")


def describe_node(node: Node, registry: Registry, config: ClusterConfig, *, vnfs: str) -> dict[str, Any]:
    """Return the facts of a node that boots ``vnfs``."""
    return {
        "name": node.name,
        "address": str(node.address),
        "mac": node.macs[0],
        "macs": list(node.macs),
        "group": node.group,
        "vnfs": vnfs,
        "console": registry.effective_console(node, default=config.console).value,
        "description": node.description,
        "variables": dict(node.variables),
    }


def describe_cluster(config: ClusterConfig) -> dict[str, Any]:
    """Return the facts of the cluster."""
    network = config.address.network
    return {
        "domain": config.domain,
        "master": str(config.address.ip),
        "network": str(network.network_address),
        "netmask": str(network.netmask),
        "prefix": network.prefixlen,
    }


def load_accounts(passwd: Path = PASSWD, group: Path = GROUP) -> dict[str, list[dict[str, Any]]]:
    """Return ``users`` and ``groups`` of people in the files passwd(5) and group(5); none has a password."""
    return {
        "users": [
            {"name": name, "uid": int(uid), "gid": int(gid), "gecos": gecos, "home": home, "shell": shell}
            for name, _password, uid, gid, gecos, home, shell in _entries(passwd, fields=7, numbers=2)
        ],
        "groups": [
            {"name": name, "gid": int(gid), "members": [member for member in members.split(",") if member]}
            for name, _password, gid, members in _entries(group, fields=4, numbers=1)
        ],
    }


def _entries(file: Path, *, fields: int, numbers: int) -> list[list[str]]:
    """Return the entries of people: those with so many ``fields``, of which ``numbers`` after the password are such."""
    try:
        lines = [line.split(":") for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        raise PerceusError(f"Cannot read {str(file)!r}: {error.strerror}") from error
    entries = (line for line in lines if len(line) == fields and all(map(str.isdecimal, line[2 : 2 + numbers])))
    return [entry for entry in entries if int(entry[2]) in PEOPLE]
