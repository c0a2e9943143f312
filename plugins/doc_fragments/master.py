# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plugins that work on the master have in common."""

from __future__ import annotations


class ModuleDocFragment:
    # The files that say what the cluster is and does
    FILES = r"""
options:
  config:
    description: The cluster's configuration, which names the other files.
    type: path
    default: /etc/perceus/cluster.json
  leases:
    description:
      - The lease file of dnsmasq, ISC dhcpd or Kea (memfile), told by its content.
      - Default is the one that O(config) names, C(/var/lib/misc/dnsmasq.leases).
    type: path
  registry:
    description: The registry. Default is the one that O(config) names, C(/var/lib/perceus/nodes.json).
    type: path
  reports:
    description: The report log. Default is the one that O(config) names, C(/var/log/perceus/reports.log).
    type: path
"""

    # What says which nodes there are
    CONFIG = r"""
options:
  config:
    description: The cluster's configuration, which names registry and report log. Without it, there are no nodes.
    type: path
    default: /etc/perceus/cluster.json
"""

    # What belongs to the nodes of the registry
    REGISTRY = r"""
options:
  config:
    description: The cluster's configuration, which names the registry.
    type: path
    default: /etc/perceus/cluster.json
attributes:
  platform:
    support: full
    description: Where the module runs.
    platforms: posix
requirements:
  - The module runs on the master, as root.
"""

    # What only looks
    READING = r"""
attributes:
  check_mode:
    support: full
    description: Reads only, so that it does the same in check mode.
  diff_mode:
    support: N/A
    description: Changes nothing, so that there is nothing to show.
  idempotent:
    support: full
    description: Running it again changes nothing.
"""

    # Where there is a VNFS store
    STORE = r"""
attributes:
  platform:
    support: full
    description: Where the module runs.
    platforms: debian
requirements:
  - The role P(perceus.cluster.vnfs_store#role) has been applied to the host.
"""
