# SPDX-License-Identifier: GPL-3.0-or-later
"""How ssh reaches the lab: a configuration that cannot leave it.

Its ProxyCommand opens each connection inside the master's network namespace and hands the socket to ssh, so that no
address of the lab is ever sought on the host's own network, whoever uses the configuration and from wherever.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import network, process
from lab.errors import LabError
from lab.settings import MASTER, NODE_ADDRESSES, Lab

CONFIGURATION = """\
Host master {master}
    HostName {master}
    HostKeyAlias master
    IdentityFile {operator_key}
    UserKnownHostsFile {folder}/known_hosts
Host {nodes} n*
    IdentityFile {root}/etc/perceus/ssh/id_ed25519
    UserKnownHostsFile {root}/var/lib/perceus/known_hosts
Host *
    User root
    ProxyCommand {proxy}
    ProxyUseFdpass yes
    StrictHostKeyChecking yes
    GlobalKnownHostsFile none
    UpdateHostKeys no
    IdentitiesOnly yes
    IdentityAgent none
    BatchMode yes
    ConnectTimeout 10
    ServerAliveInterval 5
    ServerAliveCountMax 3
    LogLevel ERROR
"""


def configure(lab: Lab) -> None:
    """Write the lab's ssh configuration, and the operator's key when there is none."""
    if not lab.operator_key.exists():
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(lab.operator_key)])
    dial = [sys.executable, "-I", str(Path(__file__).with_name("dial.py")), "%h", "%p"]
    lab.ssh_config.write_text(
        CONFIGURATION.format(
            master=MASTER,
            nodes=NODE_ADDRESSES,
            operator_key=lab.operator_key,
            folder=lab.folder,
            root=lab.root,
            proxy=" ".join(network.inside(lab.master, dial)),
        )
    )


def command(lab: Lab, host: str, argv: Sequence[str] = ()) -> list[str]:
    """The argument list that runs ``argv``, or a shell, on the master or on a node by name or address."""
    return ["ssh", "-F", str(lab.ssh_config), _address(lab, host), *argv]


def answers(lab: Lab, host: str) -> bool:
    """Whether a host lets root in, and is who it is known to be."""
    try:
        argv = command(lab, host, ["true"])
    except LabError:
        return False
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def hang_up(lab: Lab) -> None:
    """End the connections that Ansible keeps open, which would keep the network namespace alive."""
    for socket in lab.connections.glob("*"):
        argv = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "master"]
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _address(lab: Lab, host: str) -> str:
    """A node's address by the master's registry: the host's resolver does not know the lab's names."""
    if host == "master" or host[0].isdigit():
        return host
    try:
        registry = json.loads((lab.root / "var/lib/perceus/nodes.json").read_text())
    except FileNotFoundError:
        raise LabError(f"Cannot find node {host!r}: the master has no registry yet; run site.yml") from None
    for node in registry["nodes"]:
        if node["name"] == host:
            return str(node["address"])
    raise LabError(f"Cannot find node {host!r}: the master's registry does not have it")
