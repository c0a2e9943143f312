# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity service: a node that came up with a host key of its own gets its permanent one, and then its secrets.

Level-triggered: it compares the boot that each node last reported, and the secrets that are declared for it, with what
it was given last, so it may be started at any time, twice, or after a crash. A node that fails is tried again by the
next run.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
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
from .._secrets.push import build_command, pack_contents
from .._secrets.secret import Secret, digest
from .._secrets.store import Declared
from .._ssh import Login, build_ssh_argv
from .hostkeys import (
    HOST_KEY,
    Given,
    certify,
    load_given,
    make_key,
    note_given,
    render_ssh_config,
    write_known_hosts,
)
from .journal import say_in_journal

FORKS = 32
PATIENCE = 20  # seconds for one login and what it does
RESTARTS = 90  # seconds for the one that brings secrets, as services may take their time
RELOAD = 10  # seconds in which sshd must answer with its new key
ROUNDS = 10  # after so many rounds in a row the timer may take over

# The private key comes on standard input, its certificate as the argument. On SIGHUP sshd reads its keys again;
# sessions go on.
_INSTALL = f"""set -eu
cd /etc/ssh
umask 077
cat > .perceus_key
ssh-keygen -y -f .perceus_key > .perceus_key.pub
printf '%s\\n' "$1" > .perceus_key-cert.pub
chmod 644 .perceus_key.pub .perceus_key-cert.pub
mv .perceus_key {HOST_KEY}
mv .perceus_key.pub {HOST_KEY}.pub
mv .perceus_key-cert.pub {HOST_KEY}-cert.pub
kill -HUP "$(cat /run/sshd.pid)"
"""


@dataclass(frozen=True)
class Waiting:
    """A node whose present boot lacks something: what it was ``given`` last is not what is ``wanted``."""

    node: Node
    report: Report
    given: Given
    wanted: Given
    secrets: tuple[Secret, ...]

    @property
    def lacks_key(self) -> bool:
        return self.given.boot != self.wanted.boot

    @property
    def lacks_secrets(self) -> bool:
        """Whether other secrets are declared than it has; one that boots has none."""
        return self.wanted.secrets != ("" if self.lacks_key else self.given.secrets)


def run(load: Callable[[], ClusterConfig]) -> int:
    """Give keys and secrets until no node waits for any; return the exit status, 1 when something could not be given.

    ``load`` returns the configuration. A path unit does not start its service again for what changes while that runs;
    hence the rounds.
    """
    config = load()
    runner = CommandRunner()
    tried: set[Given] = set()
    problems: set[str] = set()
    for _round in range(ROUNDS):
        with _locked(config):
            registry = load_registry(config.registry)
            waiting, unreadable = _find_waiting(config, registry)
            waiting = {name: node for name, node in waiting.items() if node.wanted not in tried}
            keys = {name: make_key(config.hostkeys / name, runner) for name, node in waiting.items() if node.lacks_key}
            write_known_hosts(config, registry, runner)
            certificates = {name: certify(config, waiting[name].node, runner) for name in keys}
            write_atomically(config.state_dir / "ssh_config", render_ssh_config(config, registry))
        results = fan_out(_Giver(config, waiting, keys, certificates, runner), waiting, forks=FORKS)
        failures = {str(result) for result in results.values() if isinstance(result, PerceusError)}
        successes = [f"{name} has {result}" for name, result in results.items() if isinstance(result, str)]
        for line in (*sorted({*unreadable, *failures} - problems), *successes):
            say_in_journal(line)
        problems |= {*unreadable, *failures}
        if not waiting:
            break
        tried.update(node.wanted for node in waiting.values())
    return 1 if problems else 0


def _locked(config: ClusterConfig) -> AbstractContextManager[None]:
    """Hold the lock of keys and secrets: never for as long as a login may take, as changes of nodes wait for it."""
    return locked(config.hostkeys_lock, what="the nodes' host keys and secrets")


def _find_waiting(config: ClusterConfig, registry: Registry) -> tuple[dict[str, Waiting], list[str]]:
    """Return who lacks what, by name, and what is wrong with the secrets: a node for which they cannot be read keeps
    those that it has.
    """
    declared = Declared(config.secrets)
    waiting: dict[str, Waiting] = {}
    problems = []
    for name, report in last_ready(load_reports(config.reports), registry).items():
        node, given = registry.by_name[name], load_given(config, name)
        try:
            vnfs = registry.effective_vnfs(node, default=config.default_vnfs).value
            secrets = tuple(held.secret for held in declared.of(node, vnfs=vnfs))
            wanted = Given(report.boot, digest(secrets))
        except PerceusError as error:
            problems.append(str(error))
            secrets, wanted = (), given if given.boot == report.boot else Given(report.boot)
        if given != wanted:
            waiting[name] = Waiting(node, report, given, wanted, secrets)
    return waiting, problems


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


@dataclass(frozen=True)
class _Giver:
    """Gives the node of a name what it lacks: its permanent key by way of the one that it reported, then its secrets
    by way of the permanent one.
    """

    config: ClusterConfig
    waiting: Mapping[str, Waiting]
    keys: Mapping[str, str]  # private ones
    certificates: Mapping[str, str]
    runner: Runner

    def __call__(self, name: str) -> str:
        """Return what it has now. Raises :class:`PerceusError`, which says what it has not."""
        node = self.waiting[name]
        login = Login(name, node.node.address, self.config.state_dir / "known_hosts")
        given = []
        if node.lacks_key:
            with _saying(f"Cannot give {name} its host key"):
                self._give_key(node, login)
            self._note(node, replace(node.wanted, secrets=""))
            given.append("its host key")
        if node.lacks_secrets:
            with _saying(f"Cannot give {name} its secrets"):
                self._run(login, build_command(node.secrets), stdin=pack_contents(node.secrets), timeout=RESTARTS)
            self._note(node, node.wanted)
            given.append("its secrets")
        return " and ".join(given)

    def _give_key(self, node: Waiting, permanent: Login) -> None:
        """Give it its key by way of the one that it reported, and see it answer with that."""
        name = permanent.name
        with tempfile.TemporaryDirectory(prefix="perceus-") as folder:
            known_hosts = Path(folder, "known_hosts")
            known_hosts.write_text(f"{name} ssh-ed25519 {node.report.hostkey}\n", encoding="utf-8")
            install = ["sh", "-c", _INSTALL, "sh", self.certificates[name]]
            try:
                self._run(replace(permanent, known_hosts=known_hosts), install, stdin=self.keys[name])
            except CommandError:
                # It is no failure if a run that was killed had come so far already.
                if not self._is_up(permanent, node.report):
                    raise
        deadline = time.monotonic() + RELOAD
        while not self._is_up(permanent, node.report):
            if time.monotonic() > deadline:
                raise PerceusError("it does not answer with the key that it was given", hint="Look at its sshd")
            time.sleep(0.2)

    def _note(self, node: Waiting, given: Given) -> None:
        """Note what the boot has, unless the folder is another machine's by now, or gone."""
        with _locked(self.config):
            now = load_registry(self.config.registry, only=[node.node.name]).by_name.get(node.node.name)
            if now is not None and now.machine_id == node.node.machine_id:
                note_given(self.config, now.name, given)

    def _is_up(self, login: Login, report: Report) -> bool:
        """Whether a new login reaches the boot that reported."""
        try:
            return self._run(login, ["cat", "/proc/sys/kernel/random/boot_id"]).strip() == report.boot
        except CommandError:
            return False

    def _run(
        self, login: Login, command: Sequence[str], *, stdin: str | bytes | None = None, timeout: float = PATIENCE
    ) -> str:
        return self.runner(build_ssh_argv(login, command), stdin=stdin, timeout=timeout).stdout


@contextmanager
def _saying(what: str) -> Iterator[None]:
    """Have an error of the block begin with ``what`` could not be done."""
    try:
        yield
    except PerceusError as error:
        raise PerceusError(f"{what}: {error.msg}", hint=error.hint, **error.details) from error
