# SPDX-License-Identifier: GPL-3.0-or-later
"""What the master's programs say of themselves."""

from __future__ import annotations

import sys


def say_in_journal(line: str) -> None:
    """Say what happened where systemd puts it into the journal."""
    sys.stdout.write(f"{line}\n")
