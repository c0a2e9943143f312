# SPDX-License-Identifier: GPL-3.0-or-later
"""rsync(1): what of a node it may touch, its command line, and what it says that it did."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._ssh import Login, build_shell_argv
from .._vnfs.image.patterns import Patterns

NEVER_TOUCHED = ("/dev", "/proc", "/run", "/sys", "/tmp")  # noqa: S108 - the node's own, whatever is mounted there
BELOW = "/**"  # the end of a skip pattern below which folders are still made

_ITEM = re.compile(r"(?:[<>ch.][fdLDS]\S{9}|\*deleting  ) .+")
_SENT = re.compile(r"^Total bytes sent: (\d+)$", re.ASCII | re.MULTILINE)


@dataclass(frozen=True)
class Transfer:
    """What rsync did, or would do: one line for each path, in the form of ``--itemize-changes``, and bytes sent."""

    items: tuple[str, ...]
    sent: int


def build_rules(skip: Patterns, mounts: Iterable[str]) -> list[str]:
    """Return filter rules that leave alone what is the node's own: ``skip`` patterns, and ``mounts`` and other paths.

    A skipped path is neither sent nor deleted. Below a pattern that ends in ``/**`` folders are made nevertheless, so
    that a new service finds the one for its log, unless another pattern matches them: rsync takes the first that does.
    """
    rules = [f"- {path}" for path in (*NEVER_TOUCHED, *(escape(mount) for mount in mounts))]
    for text in sorted(skip.texts, key=lambda text: text.endswith(BELOW)):
        for pattern in translate(text):
            rules.append(f"protect {pattern}")
            if pattern.endswith(BELOW):
                rules.append(f"show {pattern}/")
            rules.append(f"hide {pattern}")
    return rules


def translate(pattern: str) -> list[str]:
    """Return the patterns of rsync that together match what a pattern of ours does.

    Between two ``/`` rsync's ``**`` stands for at least one folder, ours also for none.
    """
    first, *others = re.split(r"/(?:\*\*/)+(?=.)", pattern, flags=re.DOTALL)
    translated = [first]
    for other in others:
        translated = [f"{before}{joint}{other}" for before in translated for joint in ("/", "/**/")]
    return [text if _has_wildcard(text) else re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) for text in translated]


def escape(path: str) -> str:
    """Return the pattern that matches ``path`` alone: rsync reads a backslash as such only beside a wildcard."""
    return re.sub(r"([*?\[\\])", r"\\\1", path) if _has_wildcard(path) else path


def _has_wildcard(pattern: str) -> bool:
    return any(character in pattern for character in "*?[")


def build_options(*, dry_run: bool) -> list[str]:
    """Return how files get to their places, from wherever they come.

    A file is replaced as a whole and renamed into its place at the end, never written in place: programs that run it
    keep what they have. Times of folders are left alone: they change with whatever is the node's own in them. Those of
    files are compared to the nanosecond: an image has whole seconds, what was changed on a node has not.
    """
    return [
        *("-aHAXSx", "--omit-dir-times", "--numeric-ids", "--delay-updates", "--modify-window=-1"),
        *(["--dry-run"] if dry_run else []),
        "--out-format=%i %n%L",
    ]


def build_rsync_argv(
    source: Path, login: Login, *, rules: Sequence[str], checksum: bool, delete: bool, dry_run: bool, timeout: int
) -> list[str]:
    """Return what makes a node's root like ``source``. ``timeout`` is in seconds without a sign of life.

    By ``checksum`` both sides read all files, where size and time are not enough.
    """
    return [
        *("rsync", *build_options(dry_run=dry_run)),
        *(["--checksum"] if checksum else []),
        "--delete-delay" if delete else "--force",  # either way a folder makes way for what the image has in its place
        *([] if dry_run else ["--rsync-path=echo full > /run/perceus/livesync && rsync"]),
        *("--stats", "--no-human-readable", f"--timeout={timeout}"),
        *(f"--filter={rule}" for rule in rules),
        *(f"--rsh={shlex.join(build_shell_argv(login))}", "--", f"{source}/", f"{login.destination}:/"),
    ]


def parse_transfer(output: str) -> Transfer:
    """Turn what the command line above prints into a value. rsync escapes every control character of a name."""
    sent = _SENT.search(output)
    items = tuple(line for line in output.split("\n") if _ITEM.fullmatch(line))
    return Transfer(items, int(sent[1]) if sent else 0)
