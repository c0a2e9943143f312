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
  - Reads the registry, the DHCP server's lease file and the nodes' reports on the master, and returns each node as it
    is in effect, with the origin of what its group or the cluster decides.
  - Changes nothing.
attributes:
  platform:
    description: The operating systems that the module runs on.
    support: full
    platforms: posix
options:
  name:
    description:
      - Only these nodes, and no other machines, such as V(n[101-137,140]), V(@compute) or V(n1*), as with
        M(perceus.cluster.node).
    type: str
extends_documentation_fragment:
  - perceus.cluster.master.files
  - perceus.cluster.master.reading
requirements:
  - ClusterShell on the host, if a set of nodes is named.
seealso:
  - plugin: perceus.cluster.leases
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Read what some of the nodes are
  perceus.cluster.node_info:
    name: "@viz!n140"

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
    macs:
      description: The node's MAC addresses.
      type: list
      elements: str
      sample: [52:54:00:12:34:56]
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
    boot:
      description: What the node boots.
      type: str
      sample: image
    boot_origin:
      description: Where RV(nodes[].boot) comes from, V(node), V(group) or V(default).
      type: str
      sample: default
    console:
      description: The node's console.
      type: str
      sample: ttyS0,115200
    console_origin:
      description: Where RV(nodes[].console) comes from, V(node), V(group) or V(default).
      type: str
      sample: default
    kernel_args:
      description: The kernel arguments that are added to those of the VNFS.
      type: str
      sample: nomodeset debug
    kernel_args_origins:
      description: What V(default), V(group) and V(node) add, those that add anything, in this order.
      type: dict
      sample: {group: nomodeset, node: debug}
    description:
      description: A line for people.
      type: str
      sample: the stunt node
    variables:
      description: The variables of the node's inventory host.
      type: dict
      sample: {rack: 7}
    overlays:
      description: The node's own overlays.
      type: list
      elements: str
      sample: []
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
      description:
        - The stage that the node last reported, or V(timed_out) when it has sent neither report nor heartbeat for
          longer than the cluster's C(node_timeout).
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
    heard:
      description: The time of the last report or heartbeat.
      type: str
      sample: "2030-01-01T00:00:00+00:00"
    boots:
      description: The node's last boots, ten at most, oldest first, as far as the report log has them.
      type: list
      elements: dict
      contains:
        boot:
          description: The kernel's identifier of the boot.
          type: str
          sample: 2c0e8b4e-3f0a-4a43-9c1b-0d6a1f6f3f60
        generation:
          description: The generation that was booted.
          type: str
          sample: 0123456789abcdef
        started:
          description: The time of the first stage.
          type: str
          sample: "2030-01-01T00:00:00+00:00"
        seconds:
          description: How long it took from the first stage until the node was ready, null if it was not.
          type: int
          sample: 41
        stages:
          description:
            - The stages and faults, by their names in the order in which they came. V(firmware) is when iPXE asked for
              the boot script; GRUB does not.
            - Of each, C(time) is when it came first, C(after) how many seconds after the first stage that was, C(count)
              how often it came, C(detail) what the node said about it last.
          type: dict
          sample: {fetch: {time: "2030-01-01T00:00:09+00:00", after: 9, count: 1, detail: ""}}
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
groups:
  description: The groups, by name, and what is in effect for those of their nodes that have no value of their own.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The group.
      type: str
      sample: compute
    nodes:
      description: The names of its nodes.
      type: list
      elements: str
      sample: [n101, n102]
    vnfs:
      description: The VNFS.
      type: str
      sample: debian
    vnfs_origin:
      description: Where RV(groups[].vnfs) comes from, V(group) or V(default).
      type: str
      sample: group
    boot:
      description: What the nodes boot.
      type: str
      sample: image
    console:
      description: The nodes' console.
      type: str
      sample: tty0
    kernel_args:
      description: The kernel arguments that the group adds.
      type: str
      sample: nomodeset
    overlays:
      description: The group's overlays.
      type: list
      elements: str
      sample: []
    description:
      description: A line for people.
      type: str
      sample: the workers
masked:
  description: Why each machine is masked that the registry masks, by its MAC address.
  returned: always
  type: dict
  sample: {"52:54:00:12:34:66": the storage's own boot server}
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
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.boots import load_boots
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import load_machines
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.nodeset import select_nodes
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.policy import describe_groups, describe_policy


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
            "leases": {"type": "path"},
            "registry": {"type": "path"},
            "reports": {"type": "path"},
        },
        supports_check_mode=True,
    )
    name, files = module.params["name"], ("config", "leases", "registry", "reports")
    paths = {file: Path(module.params[file]) for file in files if module.params[file]}
    try:
        config = load_config(paths["config"])
        found = load_machines(paths.pop("config"), **paths)
        registry = found.registry
        boots = load_boots(registry, config, reports=paths.get("reports"))
        chosen = {node.name: node for node in (registry.nodes if name is None else select_nodes(name, registry))}
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    for warning in found.warnings:
        module.warn(warning)
    nodes = [
        {
            **machine.as_dict(),
            **describe_policy(chosen[machine.name], registry, config),
            "boots": [boot.as_dict() for boot in boots.get(machine.name, ())],
        }
        for machine in found.nodes
        if machine.name in chosen
    ]
    unknown = [] if name is not None else [machine.as_dict() for machine in found.unknown]
    counts = {
        "nodes": len(nodes),
        "live": sum(node["live"] for node in nodes),
        "disabled": sum(not node["enabled"] for node in nodes),
        "unknown": len(unknown),
    }
    groups = describe_groups(registry, config)
    module.exit_json(
        changed=False, nodes=nodes, unknown=unknown, groups=groups, masked=dict(registry.masked), counts=counts
    )


if __name__ == "__main__":
    main()
