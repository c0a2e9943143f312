# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's one exception."""

from __future__ import annotations


class LabError(Exception):
    """``Cannot <verb> <object>: <reason>``, for whoever runs the lab."""
