# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted on this host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mount:
    target: Path
    kind: str


def mounts(*, below: Path = Path("/")) -> list[Mount]:
    """The mounts at or below a folder, in the order in which they were made (proc_pid_mountinfo(5))."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        target = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if target == below or below in target.parents:
            found.append(Mount(target, fields[fields.index("-") + 1]))
    return found
