# SPDX-License-Identifier: GPL-3.0-or-later
"""Read leases whole, whatever the DHCP server is doing to its files.

ISC dhcpd and Kea append to their files, and replace them by renaming: any beginning that ends with a whole record is
what was true a moment ago.

dnsmasq truncates its file and rewrites it in place. Its ``lease_update_file()`` rewinds, truncates to nothing, prints
through stdio and flushes at the end. glibc's stdio writes whole blocks of the file system's block size, a multiple of
4,096 bytes, until the last write brings the rest. So a file that ends with a whole line and is no multiple of 4,096
bytes long is whole; one that is such a multiple is believed only once it has not been touched for a while.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from .._errors import PerceusError
from .._files import write_atomically
from .files import Reading, read_files
from .formats import DNSMASQ, detect_format, parse_leases
from .lease import Leases

PATIENCE = 3.0  # seconds for which a file that is being rewritten is read again
STILLNESS = 1.0  # seconds without a change after which any file that ends with a whole line is whole
PAUSE = 0.01  # seconds between two reads
BLOCK = 4096  # bytes


def load_leases(source: Path, *, last_good: Path | None = None, missing_ok: bool = False) -> Leases:
    """Return the leases in ``source``, the lease file of dnsmasq, ISC dhcpd or Kea.

    When dnsmasq's file does not come to rest, the leases are those of ``last_good``, a file in which each good content
    is kept, and a warning says how old they are. Raises :class:`PerceusError` when there is no such file either, or
    when ``source`` cannot be read or is no lease file. A missing file is an error unless ``missing_ok``.
    """
    try:
        reading = _read_whole(source)
    except FileNotFoundError as error:
        if missing_ok:
            return Leases((), ())
        raise _unreadable(source, error) from error
    except OSError as error:
        raise _unreadable(source, error) from error
    if reading is None:
        content, warning = _recall(last_good, source)
        leases = parse_leases(content)
    else:
        leases = parse_leases(reading.content)
        warning = reading.warning or _keep(last_good, reading.content)
    return Leases(leases.leases, ((warning,) if warning else ()) + leases.warnings)


def _read_whole(source: Path) -> Reading | None:
    """Return the first reading that is to be believed, None if patience ends before."""
    deadline = time.monotonic() + PATIENCE
    before: Reading | None = None
    while True:
        reading = read_files(source)
        form = detect_format(reading.content) or DNSMASQ
        has_rested = abs(time.time() - reading.modified) > STILLNESS
        ends_whole = form.ends_whole(reading.content)
        if form.is_log:
            is_whole = reading.is_one_moment and (ends_whole or has_rested)
        else:
            is_whole = reading.held_still and ends_whole and (len(reading.content) % BLOCK != 0 or has_rested)
        if is_whole and (form.is_log or reading == before):
            return reading
        if time.monotonic() > deadline:
            return None
        if not is_whole:
            time.sleep(PAUSE)
        before = reading


def _unreadable(source: Path, error: OSError) -> PerceusError:
    return PerceusError(
        f"Cannot read leases {str(source)!r}: {error.strerror}",
        hint="Give the DHCP server's lease file, readable by this user",
    )


def _keep(last_good: Path | None, content: bytes) -> str:
    """Remember ``content``. That it cannot be remembered is a warning: the leases at hand are good."""
    if last_good is None:
        return ""
    try:
        write_atomically(last_good, content, mode=0o600)
        os.utime(last_good)
    except PerceusError as error:
        return str(error)
    return ""


def _recall(last_good: Path | None, source: Path) -> tuple[bytes, str]:
    torn = f"Cannot read leases {str(source)!r}: the file is being rewritten, or its last line is cut short"
    hint = "Is the disk full, or is the DHCP server stopped in the middle of writing?"
    if last_good is None:
        raise PerceusError(torn, hint=hint)
    try:
        content = last_good.read_bytes()
        age = max(0, round(time.time() - last_good.stat().st_mtime))
    except OSError as error:
        raise PerceusError(f"{torn}; nor is there a last good content: {error.strerror}", hint=hint) from error
    return content, f"{torn}. {hint} The leases shown are {age} seconds old"
