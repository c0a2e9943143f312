# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that nobody else sees and that cannot outlive this process, however it ends."""

from __future__ import annotations

import ctypes
import os

from ._errors import PerceusError

# <linux/sched.h> and <linux/mount.h>
CLONE_NEWNS = 0x00020000
MS_REC, MS_SLAVE = 0x4000, 1 << 19


def enter_private_mounts() -> None:
    """Move this process into a mount namespace of its own. What others unmount is unmounted here too.

    Only the calling thread and those that it starts afterwards move: call it before there are any.
    Raises :class:`PerceusError` without the right to do so.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None) != 0:
        raise PerceusError(f"Cannot make a mount namespace: {os.strerror(ctypes.get_errno())}", hint="Run it as root")
