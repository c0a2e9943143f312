#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the master knows of its nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: What the master knows of its nodes
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - Reads the registry, dnsmasq's lease file and the nodes' reports on the master, and returns each node as it is in
    effect, with the origin of what its group or the cluster decides.
  - Changes nothing.
attributes:
  check_mode:
    description: Reads only, so that it does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so that there is nothing to show.
    support: N/A
  idempotent:
    description: Running it again changes nothing.
    support: full
  platform:
    description: The operating systems that the module runs on.
    support: full
    platforms: posix
extends_documentation_fragment: perceus.cluster.master.files
seealso:
  - plugin: perceus.cluster.leases
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Read what the master knows of its nodes
  perceus.cluster.node_info:
  register: cluster

- name: Require that every enabled node is ready
  ansible.builtin.assert:
    that: cluster.nodes | selectattr('enabled') | rejectattr('state', 'equalto', 'ready') | length == 0
"""

RETURN = r"""
nodes:
  description: The registered nodes, in natural order of their names. What is not known is null.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The registered name.
      type: str
      sample: n101
    mac:
      description: The first of the node's MAC addresses.
      type: str
      sample: 52:54:00:12:34:56
    address:
      description: The reserved address, with which the node boots.
      type: str
      sample: 10.17.5.101
    group:
      description: The node's group.
      type: str
      sample: compute
    vnfs:
      description: The VNFS that the node boots.
      type: str
      sample: debian
    vnfs_origin:
      description: Where RV(nodes[].vnfs) comes from, V(node), V(group) or V(default).
      type: str
      sample: group
    vnfs_kernel_args:
      description: The kernel arguments that the VNFS has for the node, which get those of cluster and node added.
      type: str
      sample: quiet
    vnfs_kernel_args_origin:
      description: Where RV(nodes[].vnfs_kernel_args) comes from, an override of V(node) or V(group), or V(vnfs).
      type: str
      sample: vnfs
    enabled:
      description: Whether the node may boot.
      type: bool
      sample: true
    live:
      description: Whether the node holds a lease now.
      type: bool
      sample: true
    lease_address:
      description: The address of the node's lease.
      type: str
      sample: 10.17.5.101
    lease_expiry:
      description: The end of the lease in seconds since 1970, V(0) for ever.
      type: int
      sample: 1893456000
    lease_name:
      description: What the node's DHCP client calls itself.
      type: str
      sample: debian
    state:
      description: The stage that the node last reported.
      type: str
      sample: ready
    generation:
      description: The generation of the VNFS that the node last reported.
      type: str
      sample: 0123456789abcdef
    reported:
      description: The time of the last report.
      type: str
      sample: "2030-01-01T00:00:00+00:00"
unknown:
  description: The machines that hold a lease and are not registered, in order of their MAC addresses.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The inventory's name for the machine.
      type: str
      sample: mac-525400123456
    mac:
      description: The MAC address.
      type: str
      sample: 52:54:00:12:34:56
    address:
      description: The address of the lease.
      type: str
      sample: 10.17.5.20
    live:
      description: Whether the lease is in force.
      type: bool
      sample: true
counts:
  description: How many machines there are of each kind.
  returned: always
  type: dict
  contains:
    nodes:
      description: Registered nodes.
      type: int
      sample: 2
    live:
      description: Registered nodes that hold a lease now.
      type: int
      sample: 2
    disabled:
      description: Registered nodes that may not boot.
      type: int
      sample: 0
    unknown:
      description: Machines that are not registered.
      type: int
      sample: 0
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import load_machines


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
            "leases": {"type": "path"},
            "registry": {"type": "path"},
            "reports": {"type": "path"},
        },
        supports_check_mode=True,
    )
    paths = {name: Path(value) for name, value in module.params.items() if value}
    try:
        found = load_machines(paths.pop("config"), **paths)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    for warning in found.warnings:
        module.warn(warning)
    nodes = [machine.as_dict() for machine in found.nodes]
    unknown = [machine.as_dict() for machine in found.unknown]
    counts = {
        "nodes": len(nodes),
        "live": sum(node["live"] for node in nodes),
        "disabled": sum(not node["enabled"] for node in nodes),
        "unknown": len(unknown),
    }
    module.exit_json(changed=False, nodes=nodes, unknown=unknown, counts=counts)


if __name__ == "__main__":
    main()
