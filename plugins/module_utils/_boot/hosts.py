# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes in the master's own hosts(5), between two marks; without both, the file is none of our business."""

from __future__ import annotations

from pathlib import Path

from .._errors import PerceusError
from .._files import write_atomically

HOSTS = Path("/etc/hosts")
BEGIN, END = b"# BEGIN perceus nodes\n", b"# END perceus nodes\n"


def fill_hosts(content: bytes, lines: str) -> bytes:
    """Return the content of a hosts file with ``lines`` between the marks."""
    before, begin, rest = content.partition(BEGIN)
    _old, end, after = rest.partition(END)
    return b"".join((before, begin, lines.encode(), end, after)) if begin and end else content


def name_nodes(lines: str, *, hosts: Path = HOSTS) -> None:
    """Have the master know the nodes by name. Raises :class:`PerceusError` when its file cannot be read or written."""
    try:
        content = hosts.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PerceusError(f"Cannot read {str(hosts)!r}: {error.strerror}") from error
    filled = fill_hosts(content, lines)
    if filled != content:
        write_atomically(hosts, filled)
