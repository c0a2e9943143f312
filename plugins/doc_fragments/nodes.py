# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that change the registry have in common."""

from __future__ import annotations


class ModuleDocFragment:
    # Modules that change the registry
    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows the lines of the registry that change.
notes:
  - Boot scripts, DHCP and DNS entries and the lines of C(known_hosts) follow any change by themselves, in two seconds.
requirements:
  - ClusterShell, if a set of nodes is named. The role P(perceus.cluster.reconciler#role) installs it.
  - netaddr, if an address is given. The role P(perceus.cluster.reconciler#role) installs it.
"""
