# SPDX-License-Identifier: GPL-3.0-or-later
"""``vnfs-shell NAME [PROGRAM ARGUMENT …]``: work inside a VNFS, be it a person with a terminal or Ansible."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .._errors import PerceusError
from .._process import CommandRunner
from .._vnfs.store import STORE, held, vnfs_in
from .._vnfs.work.sandbox import Sandbox, inside

NAME = "vnfs-shell"
NOT_ENTERED = 125  # as env(1) and others: the program itself was not started
SHELLS = ("/bin/bash", "/bin/sh")


def run(name: str, argv: Sequence[str], *, first: bool) -> int:
    """Run a program inside the VNFS called ``name`` under its lock, by default a shell; return its exit status.

    ``first`` makes it process 1 there.
    """
    try:
        vnfs = vnfs_in(STORE, name)
        vnfs.require_tree()
        sandbox = Sandbox(vnfs.rootfs, CommandRunner())
        terminal = {"TERM": os.environ.get("TERM", "dumb"), "debian_chroot": name} if sys.stdin.isatty() else {}
        with held(vnfs):
            return sandbox.attach(argv or [_find_shell(sandbox)], environment=terminal, first=first)
    except PerceusError as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        return NOT_ENTERED


def _find_shell(sandbox: Sandbox) -> str:
    for shell in SHELLS:
        if inside(sandbox.rootfs, shell).exists():
            return shell
    raise PerceusError("Cannot open a shell: the tree has none", hint="Name a program that it has")
