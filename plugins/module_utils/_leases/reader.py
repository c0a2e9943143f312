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

import time
from collections.abc import Collection
from pathlib import Path

from .._errors import PerceusError
from .files import Reading, read_files
from .formats import DNSMASQ, detect_format, parse_leases
from .lease import Leases

PATIENCE = 3.0  # seconds for which a file that is being rewritten is read again
STILLNESS = 1.0  # seconds without a change after which any file that ends with a whole line is whole
PAUSE = 0.01  # seconds between two reads
BLOCK = 4096  # bytes


def load_leases(source: Path, *, only: Collection[str] | None = None, missing_ok: bool = False) -> Leases:
    """Return the leases in ``source``, the lease file of dnsmasq, ISC dhcpd or Kea.

    ``only`` are MAC addresses: leases of others may be left out.

    Raises :class:`PerceusError` when dnsmasq's file does not come to rest, and when ``source`` cannot be read or is no
    lease file. A missing file is an error unless ``missing_ok``.
    """
    try:
        reading = _read_whole(source)
    except FileNotFoundError as error:
        if missing_ok:
            return Leases((), ())
        raise _unreadable(source, error) from error
    except OSError as error:
        raise _unreadable(source, error) from error
    leases = parse_leases(reading.content, only=only)
    return Leases(leases.leases, ((reading.warning,) if reading.warning else ()) + leases.warnings)


def _read_whole(source: Path) -> Reading:
    """Return the first reading that is to be believed; raises :class:`PerceusError` if patience ends before."""
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
            raise PerceusError(
                f"Cannot read leases {str(source)!r}: the file is being rewritten, or its last line is cut short",
                hint="Is the disk full, or is the DHCP server stopped in the middle of writing?",
            )
        if not is_whole:
            time.sleep(PAUSE)
        before = reading


def _unreadable(source: Path, error: OSError) -> PerceusError:
    return PerceusError(
        f"Cannot read leases {str(source)!r}: {error.strerror}",
        hint="Give the DHCP server's lease file, readable by this user",
    )
