# SPDX-License-Identifier: GPL-3.0-or-later
"""How the master logs in to a node: as root, with its own key, to exactly one host key, and asking nobody."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

MASTER_KEY = Path("/etc/perceus/ssh/id_ed25519")


@dataclass(frozen=True)
class Login:
    """A node's address, and the file that holds its host key under ``name``."""

    name: str
    address: IPv4Address
    known_hosts: Path
    key: Path = MASTER_KEY

    @property
    def destination(self) -> str:
        return f"root@{self.address}"


def build_ssh_argv(login: Login, command: Sequence[str]) -> list[str]:
    """Return what runs ``command``, an argument list, on the node; its shell gets the list quoted."""
    return [*build_shell_argv(login), "--", login.destination, shlex.join(command)]


def build_shell_argv(login: Login) -> list[str]:
    """Return ssh and its options without a destination, as rsync wants it for ``--rsh``.

    Nobody's ssh configuration and no connection that is open already has a say. A dead peer is noticed in 15 seconds.
    """
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "ControlPath": "none",
        "GlobalKnownHostsFile": "none",
        "HostKeyAlgorithms": "ssh-ed25519",
        "HostKeyAlias": login.name,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": str(login.key),
        "LogLevel": "ERROR",
        "ServerAliveCountMax": "3",
        "ServerAliveInterval": "5",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": str(login.known_hosts),
    }
    return ["ssh", "-F", "none", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
