# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of this name, and show how far it is."""

from __future__ import annotations

from ansible_collections.perceus.cluster.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    """The module's options and results are all that there is to it."""
