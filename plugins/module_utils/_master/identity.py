# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity service: a node that came up with a host key of its own gets its permanent one.

Level-triggered: it compares the boot that each node last reported with the boot whose node has its key, so it may be
started at any time, twice, or after a crash. A node that fails is tried again by the next run.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from .._config import ClusterConfig
from .._errors import CommandError, PerceusError
from .._fanout import fan_out
from .._files import locked, write_atomically
from .._nodes.registry import Node, Registry
from .._nodes.registry_file import load_registry
from .._process import CommandRunner, Runner
from .._reports import Report, load_reports
from .._ssh import MASTER_KEY, Login, build_ssh_argv
from .journal import say_in_journal

FORKS = 32
PATIENCE = 20  # seconds for one login and what it does
RELOAD = 10  # seconds in which sshd must answer with its new key
ROUNDS = 10  # after so many rounds in a row the timer may take over
HOST_KEY = "ssh_host_ed25519_key"

# The private key comes on standard input. On SIGHUP sshd reads its keys again; sessions go on.
_INSTALL = f"""set -eu
cd /etc/ssh
umask 077
cat > .perceus_key
ssh-keygen -y -f .perceus_key > .perceus_key.pub
chmod 644 .perceus_key.pub
mv .perceus_key {HOST_KEY}
mv .perceus_key.pub {HOST_KEY}.pub
kill -HUP "$(cat /run/sshd.pid)"
"""


def run(load: Callable[[], ClusterConfig]) -> int:
    """Give keys until no node waits for one; return the exit status, 1 when a node could not be given its own.

    ``load`` returns the configuration. A path unit does not start its service again for what changes while that runs;
    hence the rounds.
    """
    config = load()
    runner = CommandRunner()
    tried: set[str] = set()
    failed = False
    for _round in range(ROUNDS):
        with _locked(config):
            registry = load_registry(config.registry)
            reports = {
                name: report
                for name, report in last_ready(load_reports(config.reports), registry).items()
                if report.boot not in tried and not _is_done(config, report, name)
            }
            keys = {name: _make_key(config, name, runner) for name in reports}
            write_atomically(config.state_dir / "known_hosts", _render_known_hosts(config, registry))
            write_atomically(config.state_dir / "ssh_config", render_ssh_config(config, registry))
        if not reports:
            break
        give = _Giver(config, registry, reports, keys, runner)
        for name, error in fan_out(give, reports, forks=FORKS).items():
            say_in_journal(f"Cannot give {name} its host key: {error}" if error else f"{name} has its host key")
            failed = failed or error is not None
        tried.update(report.boot for report in reports.values())
    return 1 if failed else 0


def _locked(config: ClusterConfig) -> AbstractContextManager[None]:
    """Hold the lock of the folders of keys: never for as long as a login may take, as changes of nodes wait for it."""
    return locked(config.hostkeys_lock, what="the nodes' host keys")


def last_ready(reports: Iterable[Report], registry: Registry) -> dict[str, Report]:
    """Return the ``ready`` report of each node's present boot by name; a node that has booted again since has none.

    A report counts only if it came from its node's reserved address.
    """
    ready: dict[str, Report] = {}
    for report in reports:
        node = registry.by_mac.get(report.mac)
        if node is None or report.address != node.address or not report.boot:
            continue
        if report.stage == "ready" and report.hostkey:
            ready[node.name] = report
        elif node.name in ready and ready[node.name].boot != report.boot:
            del ready[node.name]
    return ready


def render_known_hosts(keys: Mapping[Node, str], *, domain: str) -> str:
    """Return the text of ``known_hosts``; ``keys`` are public keys as ``ssh-keygen`` writes them."""
    lines = []
    for node, public in keys.items():
        kind, key = public.split()[:2]
        lines.append(f"{node.name},{node.name}.{domain},{node.address} {kind} {key}\n")
    return "".join(lines)


def render_ssh_config(config: ClusterConfig, registry: Registry) -> str:
    """Return what has ``ssh n101`` on the master reach that node and no other machine; see ssh_config(5)."""
    return "".join(
        f"Host {node.name} {node.name}.{config.domain} {node.address}\n"
        f"    HostName {node.address}\n"
        f"    HostKeyAlias {node.name}\n"
        f"    IdentityFile {MASTER_KEY}\n"
        f"    UserKnownHostsFile {config.state_dir / 'known_hosts'}\n"
        "    StrictHostKeyChecking yes\n"
        for node in registry.nodes
    )


@dataclass(frozen=True)
class _Giver:
    """Gives the node of a name its permanent key, by way of the one that it reported, and sees it answer with that."""

    config: ClusterConfig
    registry: Registry
    reports: Mapping[str, Report]
    keys: Mapping[str, str]  # private ones
    runner: Runner

    def __call__(self, name: str) -> None:
        node, report = self.registry.by_name[name], self.reports[name]
        permanent = Login(name, node.address, self.config.state_dir / "known_hosts")
        with tempfile.TemporaryDirectory(prefix="perceus-") as folder:
            known_hosts = Path(folder, "known_hosts")
            known_hosts.write_text(f"{name} ssh-ed25519 {report.hostkey}\n", encoding="utf-8")
            try:
                self._run(replace(permanent, known_hosts=known_hosts), ["sh", "-c", _INSTALL], stdin=self.keys[name])
            except CommandError:
                # It is no failure if a run that was killed had come so far already.
                if not self._is_up(permanent, report):
                    raise
        deadline = time.monotonic() + RELOAD
        while not self._is_up(permanent, report):
            if time.monotonic() > deadline:
                raise PerceusError(f"{name} does not answer with the key that it was given", hint="Look at its sshd")
            time.sleep(0.2)
        self._note(node, report)

    def _note(self, node: Node, report: Report) -> None:
        """Note that the boot has its key, unless the folder is another machine's by now, or gone."""
        with _locked(self.config):
            now = load_registry(self.config.registry, only=[node.name]).by_name.get(node.name)
            if now is not None and now.machine_id == node.machine_id:
                write_atomically(_folder(self.config, node.name) / "boot", f"{report.boot}\n")

    def _is_up(self, login: Login, report: Report) -> bool:
        """Whether a new login reaches the boot that reported."""
        try:
            return self._run(login, ["cat", "/proc/sys/kernel/random/boot_id"]).strip() == report.boot
        except CommandError:
            return False

    def _run(self, login: Login, command: list[str], *, stdin: str | None = None) -> str:
        return self.runner(build_ssh_argv(login, command), stdin=stdin, timeout=PATIENCE).stdout


def _folder(config: ClusterConfig, name: str) -> Path:
    return config.hostkeys / name


def _is_done(config: ClusterConfig, report: Report, name: str) -> bool:
    done = _folder(config, name) / "boot"
    return done.exists() and done.read_text(encoding="utf-8").strip() == report.boot


def _make_key(config: ClusterConfig, name: str, runner: Runner) -> str:
    """Return the node's private key, made if there is none: beside, so that both its halves are there or none."""
    folder = _folder(config, name)
    if not folder.exists():
        beside = folder.with_name(f".{name}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700, parents=True)
        runner(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(beside / HOST_KEY)])
        beside.rename(folder)
    return (folder / HOST_KEY).read_text(encoding="utf-8")


def _render_known_hosts(config: ClusterConfig, registry: Registry) -> str:
    keys = {}
    for node in registry.nodes:
        public = _folder(config, node.name) / f"{HOST_KEY}.pub"
        if public.exists():
            keys[node] = public.read_text(encoding="utf-8")
    return render_known_hosts(keys, domain=config.domain)
