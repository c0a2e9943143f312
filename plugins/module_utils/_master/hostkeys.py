# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes' permanent ssh host keys, each in a folder of the node's name, and who is told of them.

hostkeys/NAME/ssh_host_ed25519_key{,.pub}
hostkeys/NAME/boot                  the boot whose node has its key, and the digest of the secrets that it has
host_ca/ssh_host_ed25519_key{,.pub} the authority that signs them
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .._config import ClusterConfig
from .._files import write_atomically
from .._nodes.registry import Node, Registry
from .._process import Runner
from .._ssh import MASTER_KEY

HOST_KEY = "ssh_host_ed25519_key"


@dataclass(frozen=True)
class Given:
    """What a node was given last: its key in ``boot``, and then the secrets with the digest ``secrets``."""

    boot: str = ""
    secrets: str = ""


def load_given(config: ClusterConfig, name: str) -> Given:
    """Return what the node of this name was given last."""
    note = config.hostkeys / name / "boot"
    return Given(*note.read_text(encoding="utf-8").splitlines()[:2]) if note.exists() else Given()


def note_given(config: ClusterConfig, name: str, given: Given) -> None:
    write_atomically(config.hostkeys / name / "boot", f"{given.boot}\n{given.secrets}\n")


def make_key(folder: Path, runner: Runner) -> str:
    """Return the private key in a folder, made if there is none: beside, so that both its halves are there or none."""
    if not folder.exists():
        beside = folder.with_name(f".{folder.name}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700, parents=True)
        runner(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", folder.name, "-f", str(beside / HOST_KEY)])
        beside.rename(folder)
    return (folder / HOST_KEY).read_text(encoding="utf-8")


def certify(config: ClusterConfig, node: Node, runner: Runner) -> str:
    """Return a certificate of the node's key for the names that it has now, as ``ssh-keygen`` writes it."""
    with tempfile.TemporaryDirectory(prefix="perceus-") as folder:
        public = shutil.copy(config.hostkeys / node.name / f"{HOST_KEY}.pub", folder)
        names = ",".join(_names(node, config.domain))
        runner(["ssh-keygen", "-q", "-s", str(_host_ca(config) / HOST_KEY), "-I", node.name, "-h", "-n", names, public])
        return Path(folder, f"{HOST_KEY}-cert.pub").read_text(encoding="utf-8").strip()


def write_known_hosts(config: ClusterConfig, registry: Registry, runner: Runner) -> None:
    """Write which keys are whose, and the authority that signs them, for ssh on the master and elsewhere."""
    keys = {}
    for node in registry.nodes:
        public = config.hostkeys / node.name / f"{HOST_KEY}.pub"
        if public.exists():
            keys[node] = public.read_text(encoding="utf-8")
    make_key(_host_ca(config), runner)
    authority = (_host_ca(config) / f"{HOST_KEY}.pub").read_text(encoding="utf-8")
    write_atomically(config.state_dir / "known_hosts", render_known_hosts(keys, authority, config))


def render_known_hosts(keys: Mapping[Node, str], authority: str, config: ClusterConfig) -> str:
    """Return the text of ``known_hosts``; public keys are as ``ssh-keygen`` writes them.

    Of the short names the authority speaks for those of the cluster's pattern only, as its line is good elsewhere too.
    """
    pattern = str(config.node_name).replace("#", "?")
    lines = [f"@cert-authority *.{config.domain},{pattern} {_key_of(authority)}\n"]
    lines += [f"{','.join(_names(node, config.domain))} {_key_of(public)}\n" for node, public in keys.items()]
    return "".join(lines)


def render_ssh_config(config: ClusterConfig, registry: Registry) -> str:
    """Return what has ``ssh n101`` on the master reach that node and no other machine; see ssh_config(5)."""
    return "".join(
        f"Host {' '.join(_names(node, config.domain))}\n"
        f"    HostName {node.address}\n"
        f"    HostKeyAlias {node.name}\n"
        f"    IdentityFile {MASTER_KEY}\n"
        f"    UserKnownHostsFile {config.state_dir / 'known_hosts'}\n"
        "    StrictHostKeyChecking yes\n"
        for node in registry.nodes
    )


def _host_ca(config: ClusterConfig) -> Path:
    return config.state_dir / "host_ca"


def _names(node: Node, domain: str) -> tuple[str, str, str]:
    return node.name, f"{node.name}.{domain}", str(node.address)


def _key_of(public: str) -> str:
    return " ".join(public.split()[:2])
