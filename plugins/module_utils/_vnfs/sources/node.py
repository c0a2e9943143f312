# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a running machine, a golden node, by rsync(1) over ssh. What is that machine's own, no image has."""

from __future__ import annotations

import re
import shlex
import tempfile
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import ClassVar

from ..._config import DEFAULT_CONFIG, load_config
from ..._errors import CommandError, PerceusError
from ..._livesync.rsync import NEVER_TOUCHED, translate
from ..._names import parse_node_name
from ..._nodes.registry_file import load_registry
from ..._ssh import Login, build_shell_argv
from ..image.patterns import compile_patterns
from ..recipe.check import check
from ..work.sandbox import MortalRunner
from .base import Source
from .order import Order

VANISHED = 24  # rsync's exit status when files went while it looked

_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]+", re.ASCII)


@dataclass(frozen=True)
class Node(Source):
    """``host`` is a node's name, or the IPv4 address of another machine that has ``host_key``; ``exclude`` are patterns
    of names that stay there.
    """

    type: ClassVar[str] = "node"

    host: str
    host_key: str | None = None
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        compile_patterns(self.exclude)
        if self.host_key is None:
            parse_node_name(self.host)
            return
        check("host key", self.host_key, _KEY)
        try:
            IPv4Address(self.host)
        except AddressValueError as error:
            raise PerceusError(
                f"Cannot use {self.host!r} as host: not an IPv4 address",
                hint="Leave out host_key for a node of the cluster",
            ) from error

    def make_tree(self, target: Path, order: Order) -> None:
        with tempfile.TemporaryDirectory(prefix=".tmp.", dir=target.parent) as folder:
            login = self._find_login(Path(folder))
            try:
                MortalRunner(order.runner)(build_rsync_argv(self, login, target), expected=(0, VANISHED))
            except CommandError as error:
                reason = find_reason(error.details.get("stderr", "")) or error.msg
                raise PerceusError(f"Cannot copy {self.host!r}: {reason}", error.hint, **error.details) from error

    def _find_login(self, folder: Path) -> Login:
        """Return how to get there; ``folder`` is for a file of its host key."""
        if self.host_key is not None:
            known_hosts = folder / "known_hosts"
            known_hosts.write_text(f"{self.host} {self.host_key}\n")
            return Login(self.host, IPv4Address(self.host), known_hosts)
        config = load_config(DEFAULT_CONFIG)
        for node in load_registry(config.registry).nodes:
            if node.name == self.host:
                return Login(node.name, node.address, config.state_dir / "known_hosts")
        raise PerceusError(
            f"Cannot copy {self.host!r}: there is no such node",
            hint="For another machine, give its address and host_key",
        )


def build_rsync_argv(source: Node, login: Login, target: Path) -> list[str]:
    """Return the command line: one file system, less what a running system has in folders of its own."""
    rules = [f"- {folder}/*" for folder in NEVER_TOUCHED]
    rules += [f"- {pattern}" for text in source.exclude for pattern in translate(text)]
    return [
        *("rsync", "-aHAXSx", "--numeric-ids", "--timeout=60"),
        *(f"--filter={rule}" for rule in rules),
        *(f"--rsh={shlex.join(build_shell_argv(login))}", "--", f"{login.destination}:/", f"{target}/"),
    ]


def find_reason(stderr: str) -> str:
    """Return the line that says why rsync failed: ssh's last, else rsync's own first."""
    lines = stderr.strip().splitlines()
    return ([line for line in lines if not line.startswith("rsync")][-1:] or lines[:1] or [""])[0]
