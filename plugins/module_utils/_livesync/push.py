# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one running node to a generation, so that it is what a reboot would have made of it.

A node that runs a generation of the store, whole, gets what differs and puts it in place by itself. Any other gets all
that rsync finds different.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .._errors import CommandError, PerceusError
from .._process import Completed, Runner
from .._ssh import Login, build_ssh_argv
from .._vnfs.image.patterns import Patterns
from .._vnfs.store import is_generation, mounts_below
from .applying import REFUSED, build_apply_argv, join_rules
from .deltas import Archive, NoDeltaError
from .rsync import Transfer, build_rsync_argv, build_rules, parse_transfer
from .source import Source

LOGIN = 60  # seconds for one login and what it does
GRACE = 10  # seconds for a program that has been told to end, before it is killed
SILENCE = 120  # seconds without a byte from rsync

AUTO, DELTA, FULL = METHODS = ("auto", "delta", "full")

# An overlay may have written through a link of the image, such as bin: rsync knows the folder behind that.
_INSPECT = r"""cat /run/perceus/vnfs /run/perceus/generation
[ -s /run/perceus/livesync ] && cat /run/perceus/livesync || echo
cat /proc/cmdline /proc/self/mountinfo
[ ! -e /run/perceus/overlay ] || {
    echo
    while IFS= read -r name; do
        folder=$(cd "/${name%"${name##*/}"}" 2> /dev/null && pwd -P) || continue
        printf '%s\n' "${folder%/}/${name##*/}"
    done < /run/perceus/overlay
}
"""
# What was put beside files and did not get into their places
_TIDY = "exec find / -xdev -type d -name .~tmp~ -prune -exec rm -rf --one-file-system -- {} +"
# The image carries its own ld.so.cache. A node in a test has no systemd.
_FINISH = """set -eu
[ ! -d /run/systemd/system ] || systemctl daemon-reload
before=$(cat /run/perceus/generation)
cat > /run/perceus/generation
/usr/lib/perceus/report livesync || {
    echo "$before" > /run/perceus/generation # what is not known at the master is not done
    exit 1
}
rm -f /run/perceus/livesync
"""


@dataclass(frozen=True)
class Running:
    """What a node says of itself: its VNFS, its generation now, what a livesync that did not end was making of it, the
    generation that it booted, its mount points, and the files that it has by overlays.
    """

    vnfs: str
    generation: str
    unfinished: str
    booted: str
    mounts: tuple[str, ...]
    overlaid: tuple[str, ...]


@dataclass(frozen=True)
class Pushed:
    """What became of a node. ``seconds`` is the time that it took, ``reason`` says why it was no delta, if so.

    ``needs_reboot`` is None when the generation that it booted is not in the store any more.
    """

    transfer: Transfer
    method: str
    reason: str | None
    changed: bool
    needs_reboot: bool | None
    seconds: float


@dataclass(frozen=True)
class Options:
    """How nodes are livesynced. ``timeout`` is in seconds for the transfer to a node."""

    skip: Patterns
    method: str
    delete: bool
    forks: int
    timeout: int
    dry_run: bool


@dataclass(frozen=True)
class Push:
    """How to bring nodes to ``source``. ``kernel_of`` gives the kernel of another generation, ``delta_of`` what makes
    the source of it, ``must_read_all`` whether size and time of files do not show what differs from it, ``skip_of``
    what is left alone on the node of a name, ``drift_of`` what is known to differ on it.
    """

    source: Source
    options: Options
    kernel_of: Callable[[str], str | None]
    delta_of: Callable[[str], Archive]
    must_read_all: Callable[[str], bool]
    skip_of: Callable[[str], Patterns]
    drift_of: Callable[[str], str]
    runner: Runner

    def __call__(self, login: Login) -> Pushed:
        """Bring the node behind ``login`` to the generation. Raises :class:`PerceusError`."""
        started = time.monotonic()
        node = parse_running(self._log_in(login, _INSPECT))
        if node.vnfs != self.source.vnfs:
            raise PerceusError(f"it runs VNFS {node.vnfs!r}, not {self.source.vnfs!r}", hint="Reboot it")
        if node.unfinished and not self.options.dry_run:
            self._log_in(login, _TIDY)
        transfer, reason = self._bring(login, node)
        method = FULL if reason or self.options.method == FULL else DELTA
        booted = self._kernel(node.booted)
        changed = bool(transfer.items) or node.generation != self.source.generation
        if (changed or method == FULL) and not self.options.dry_run:
            # Also the proof that one can still log in.
            self._log_in(login, _FINISH, stdin=f"{self.source.generation}\n")
        return Pushed(
            transfer=transfer,
            method=method,
            reason=reason,
            changed=changed,
            needs_reboot=None if booted is None else booted != self.source.kernel,
            seconds=round(time.monotonic() - started, 1),
        )

    def _bring(self, login: Login, node: Running) -> tuple[Transfer, str | None]:
        """Return what was done, and why it was no delta if one was allowed."""
        rules = build_rules(self.skip_of(login.name), (*node.mounts, *node.overlaid))
        reason = None
        if self.options.method != FULL:
            try:
                return self._apply(login, node, rules), None
            except NoDeltaError as error:
                reason = str(error)
        if self.options.method == DELTA:
            raise PerceusError(f"a delta does not do: {reason}", hint="Use method 'full'")
        argv = build_rsync_argv(
            self.source.folder,
            login,
            rules=rules,
            checksum=bool(self.drift_of(login.name)) or self.must_read_all(node.generation),
            delete=self.options.delete,
            dry_run=self.options.dry_run,
            timeout=SILENCE,
        )
        return parse_transfer(self._transfer(argv).stdout), reason

    def _apply(self, login: Login, node: Running, rules: Sequence[str]) -> Transfer:
        """Have the node apply a delta. Raises :class:`NoDeltaError` when that will not do, and nothing was touched."""
        drift = self.drift_of(login.name)
        if drift:
            raise NoDeltaError(f"it has drifted: {drift}")
        if node.unfinished not in ("", node.generation):  # rsync may have left files of its own, of any name
            raise NoDeltaError("a livesync was cut short on it")
        if node.generation == self.source.generation:
            return Transfer((), 0)
        try:
            archive = self.delta_of(node.generation)
        except PerceusError as error:
            raise NoDeltaError(str(error)) from error
        argv = build_apply_argv(
            archive,
            self.source.generation,
            delete=self.options.delete,
            dry_run=self.options.dry_run,
            timeout=self.options.timeout,
        )
        done = self._transfer(build_ssh_argv(login, argv), stdin=join_rules(rules), expected=(0, REFUSED))
        if done.status == REFUSED:
            raise NoDeltaError(done.stderr.strip())
        return replace(parse_transfer(done.stdout), sent=archive.size)

    def _kernel(self, generation: str) -> str | None:
        """Return a generation's kernel. The source's own files are hidden by its tree."""
        return self.source.kernel if generation == self.source.generation else self.kernel_of(generation)

    def _log_in(self, login: Login, script: str, *, stdin: str | None = None) -> str:
        return self.runner(build_ssh_argv(login, ["sh", "-c", script]), stdin=stdin, timeout=LOGIN).stdout

    def _transfer(
        self, argv: Sequence[str], *, stdin: str | None = None, expected: tuple[int, ...] = (0,)
    ) -> Completed:
        """Run rsync. The first line of its complaint is the cause, the last only says that there was one."""
        try:
            return self.runner(argv, stdin=stdin, timeout=self.options.timeout + GRACE, expected=expected)
        except CommandError as error:
            said = str(error.details.get("stderr", "")).strip().splitlines()
            raise PerceusError(said[0] if said else error.msg, **error.details) from error


def parse_running(output: str) -> Running:
    """Turn what a node says of itself into a value; mountinfo is read as in proc_pid_mountinfo(5).

    Raises :class:`PerceusError` when it says something else.
    """
    try:
        vnfs, generation, unfinished, cmdline, rest = output.split("\n", 4)
        mountinfo, _gap, overlaid = rest.partition("\n\n")
        mounts = [mount.decode(errors="surrogateescape") for mount in mounts_below(mountinfo.encode(), b"")]
    except (ValueError, IndexError) as error:
        raise PerceusError("it does not say what it runs", hint="Reboot it") from error
    arguments = dict(word.partition("=")[::2] for word in cmdline.split())
    booted = arguments.get("perceus.generation", "")
    return Running(
        vnfs=vnfs,
        generation=generation,
        unfinished=unfinished,
        booted=booted if is_generation(booted) else "",
        mounts=tuple(mount for mount in mounts if mount != "/"),
        overlaid=tuple(overlaid.splitlines()),
    )
