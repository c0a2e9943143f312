# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory for other machines: printed for who logs in, written for the web server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .._files import write_atomically
from .._inventory.snapshot import load_snapshot, render_snapshot


def run(config_file: Path, *, output: Path | None) -> int:
    """Print the inventory, or have it in ``output``; return the exit status.

    The file's group is its folder's, and may read it. Its time says when it was last true, changed or not.
    """
    document = render_snapshot(load_snapshot(config_file))
    if output is None:
        sys.stdout.write(document)
    else:
        write_atomically(output, document, mode=0o640)
        os.utime(output)
    return 0
