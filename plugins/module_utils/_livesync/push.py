# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one running node to a generation, so that it is what a reboot would have made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .._errors import CommandError, PerceusError
from .._process import Runner
from .._ssh import Login, build_ssh_argv
from .._vnfs.image.patterns import Patterns
from .._vnfs.store import is_generation, mounts_below
from .rsync import Transfer, build_rsync_argv, build_rules, parse_transfer
from .source import Source

LOGIN = 60  # seconds for one login and what it does
SILENCE = 120  # seconds without a byte from rsync

# An overlay may have written through a link of the image, such as bin: rsync knows the folder behind that.
_INSPECT = r"""cat /run/perceus/vnfs /run/perceus/generation /proc/cmdline /proc/self/mountinfo
[ ! -e /run/perceus/overlay ] || {
    echo
    while IFS= read -r name; do
        folder=$(cd "/${name%"${name##*/}"}" 2> /dev/null && pwd -P) || continue
        printf '%s\n' "${folder%/}/${name##*/}"
    done < /run/perceus/overlay
}
"""
# The image carries its own ld.so.cache. A node in a test has no systemd.
_FINISH = """set -eu
[ ! -d /run/systemd/system ] || systemctl daemon-reload
before=$(cat /run/perceus/generation)
cat > /run/perceus/generation
/usr/lib/perceus/report livesync || {
    echo "$before" > /run/perceus/generation # what is not known at the master is not done
    exit 1
}
"""


@dataclass(frozen=True)
class Running:
    """What a node says of itself: its VNFS, its generation now, the one that it booted, its mount points, and the files
    that it has by overlays.
    """

    vnfs: str
    generation: str
    booted: str
    mounts: tuple[str, ...]
    overlaid: tuple[str, ...]


@dataclass(frozen=True)
class Pushed:
    """What became of a node. ``seconds`` is the time that it took.

    ``needs_reboot`` is None when the generation that it booted is not in the store any more.
    """

    transfer: Transfer
    changed: bool
    needs_reboot: bool | None
    seconds: float


@dataclass(frozen=True)
class Options:
    """How nodes are livesynced. ``timeout`` is in seconds for the transfer to a node."""

    skip: Patterns
    delete: bool
    forks: int
    timeout: int
    dry_run: bool


@dataclass(frozen=True)
class Push:
    """How to bring nodes to ``source``. ``kernel_of`` gives the kernel of another generation, ``skip_of`` what is left
    alone on the node of a name.
    """

    source: Source
    options: Options
    kernel_of: Callable[[str], str | None]
    skip_of: Callable[[str], Patterns]
    runner: Runner

    def __call__(self, login: Login) -> Pushed:
        """Bring the node behind ``login`` to the generation. Raises :class:`PerceusError`."""
        started = time.monotonic()
        node = parse_running(self._log_in(login, _INSPECT))
        if node.vnfs != self.source.vnfs:
            raise PerceusError(f"it runs VNFS {node.vnfs!r}, not {self.source.vnfs!r}", hint="Reboot it")
        argv = build_rsync_argv(
            self.source.folder,
            login,
            rules=build_rules(self.skip_of(login.name), (*node.mounts, *node.overlaid)),
            delete=self.options.delete,
            dry_run=self.options.dry_run,
            timeout=SILENCE,
        )
        transfer = self._transfer(argv)
        booted = self._kernel(node.booted)
        changed = bool(transfer.items) or node.generation != self.source.generation
        if changed and not self.options.dry_run:
            # Also the proof that one can still log in.
            self._log_in(login, _FINISH, stdin=f"{self.source.generation}\n")
        return Pushed(
            transfer=transfer,
            changed=changed,
            needs_reboot=None if booted is None else booted != self.source.kernel,
            seconds=round(time.monotonic() - started, 1),
        )

    def _kernel(self, generation: str) -> str | None:
        """Return a generation's kernel. The source's own files are hidden by its tree."""
        return self.source.kernel if generation == self.source.generation else self.kernel_of(generation)

    def _log_in(self, login: Login, script: str, *, stdin: str | None = None) -> str:
        return self.runner(build_ssh_argv(login, ["sh", "-c", script]), stdin=stdin, timeout=LOGIN).stdout

    def _transfer(self, argv: Sequence[str]) -> Transfer:
        """Run rsync. The first line of its complaint is the cause, the last only says that there was one."""
        try:
            return parse_transfer(self.runner(argv, timeout=self.options.timeout).stdout)
        except CommandError as error:
            said = str(error.details.get("stderr", "")).strip().splitlines()
            raise PerceusError(said[0] if said else error.msg, **error.details) from error


def parse_running(output: str) -> Running:
    """Turn what a node says of itself into a value; mountinfo is read as in proc_pid_mountinfo(5).

    Raises :class:`PerceusError` when it says something else.
    """
    try:
        vnfs, generation, cmdline, rest = output.split("\n", 3)
        mountinfo, _gap, overlaid = rest.partition("\n\n")
        mounts = [mount.decode(errors="surrogateescape") for mount in mounts_below(mountinfo.encode(), b"")]
    except (ValueError, IndexError) as error:
        raise PerceusError("it does not say what it runs", hint="Reboot it") from error
    arguments = dict(word.partition("=")[::2] for word in cmdline.split())
    booted = arguments.get("perceus.generation", "")
    return Running(
        vnfs=vnfs,
        generation=generation,
        booted=booted if is_generation(booted) else "",
        mounts=tuple(mount for mount in mounts if mount != "/"),
        overlaid=tuple(overlaid.splitlines()),
    )
