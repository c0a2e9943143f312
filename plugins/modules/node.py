#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines are nodes, and what each is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node
short_description: Which machines are nodes, and what each is
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - Changes nodes in the registry of a cluster, one, a set, or a whole table at once.
  - Nodes are meant by a name, V(n101), a range, V(n[101-137,140]), a group, V(@compute), a pattern, V(n1*), or several
    of these with a comma between them. V(!) takes away, V(&) keeps what is in both. This is ClusterShell's language.
  - A part that matches no node is an error, except with O(state=absent).
  - What is not said of a node stays as it is, except with O(state=declared).
options:
  name:
    description:
      - The nodes. With O(macs), the name of one, which is made if it is not there.
      - With O(macs) and without a name, the node that has one of these is meant, or else a new one gets the first free
        number.
    type: str
  nodes:
    description:
      - A table of nodes instead of O(name) and what is said of it. If one cannot be changed, none is.
      - An entry with C(macs) is one node, made if it is not there; any other is about nodes that are.
      - Later entries win over earlier ones, except about C(macs), of which one entry has all of a node.
    type: list
    elements: dict
    suboptions:
      name: &name
        description: As outside of the table.
        type: str
      macs: &macs
        description: All MAC addresses of one node, the one that it boots from first.
        type: list
        elements: str
      group: &group
        description: The group, which is made if it is not there. New nodes are in the cluster's default group.
        type: str
      vnfs: &vnfs
        description: The VNFS that the node boots. If it is empty, its group decides.
        type: str
      enabled: &enabled
        description: Whether the node may boot.
        type: bool
      boot: &boot
        description:
          - What the node boots. V(image) is its VNFS, V(local) its first disk, V(shell) a shell of iPXE.
          - If it is empty, its group decides.
        type: str
        choices: [image, disk, local, memtest, shell, ""]
      console: &console
        description: The node's console, such as V(ttyS0,115200). If it is empty, its group decides.
        type: str
      kernel_args: &kernel_args
        description: Kernel arguments beside those of VNFS, cluster and group.
        type: str
      address: &address
        description:
          - The address, of one node.
          - A new node has the one of its number, or else the last of the cluster's node range that no node has.
        type: str
      overlays: &overlays
        description: The node's own overlays, beside those of its group, its VNFS and all nodes.
        type: list
        elements: str
      description: &description
        description: A line for people.
        type: str
      variables: &variables
        description: Variables of the node's inventory host, all of them.
        type: dict
  macs: *macs
  group: *group
  vnfs: *vnfs
  enabled: *enabled
  boot: *boot
  console: *console
  kernel_args: *kernel_args
  address: *address
  overlays: *overlays
  description: *description
  variables: *variables
  state:
    description:
      - V(present) sees to it that the nodes are as said.
      - V(added) is V(present), but no node gets other MAC addresses. A new machine by the name of a node that is there
        is an error then.
      - V(declared) makes the nodes of the cluster equal to O(nodes). Other nodes go, what is not said of a node is as
        with a new one, except for its address, and an entry without C(macs) is about nodes of entries before it.
        Adoption should be V(off) or V(quarantine) then.
      - V(absent) removes the nodes, their permanent ssh host keys too. MAC addresses that are said beside a name must
        be those of the nodes that go. A machine that is still on becomes a node again with its next lease, if the
        cluster adopts machines; its number is free at once.
      - V(replaced) puts the machine O(replacement) in the place of the node, which keeps its name, address, group, ssh
        host key and whatever else is known of it, and loses its MAC addresses.
      - V(renamed) gives a node the name O(new_name). It keeps all else, its address too.
      - V(reinstalled) has the nodes, of a VNFS in root mode C(disk), be installed anew, once, when they boot next,
        whatever is on their disks. V(kept) takes that back of those that have not begun.
    type: str
    choices: [present, added, declared, absent, replaced, renamed, reinstalled, kept]
    default: present
  replacement:
    description: A MAC address of the new machine, or the node as which it was adopted, which is no more then.
    type: str
  new_name:
    description: The new name.
    type: str
attributes:
  idempotent:
    support: full
    description: What is so already is not changed. A replacement is known again by its MAC address.
extends_documentation_fragment:
  - perceus.cluster.master.registry
  - perceus.cluster.nodes
seealso:
  - module: perceus.cluster.node_group
  - module: perceus.cluster.node_mask
  - module: perceus.cluster.node_info
"""

EXAMPLES = r"""
- name: Have some nodes boot another VNFS
  perceus.cluster.node:
    name: n[138-139],@viz!n140
    vnfs: rocky-9

- name: Leave that to their group again
  perceus.cluster.node:
    name: n[138-139]
    vnfs: ""

- name: Register a machine
  perceus.cluster.node:
    name: login1
    macs: [52:54:00:12:34:56, 52:54:00:12:34:57]
    address: 10.17.5.11
    group: login

- name: Make the nodes those of a file in git
  perceus.cluster.node:
    nodes: "{{ (lookup('ansible.builtin.file', 'nodes.yml') | from_yaml).nodes }}"
    state: declared

- name: Put a new machine, which was adopted as n140, in the place of n105
  perceus.cluster.node:
    name: n105
    state: replaced
    replacement: n140

- name: Install nodes on their disks anew when they boot next
  perceus.cluster.node:
    name: n[110-119]
    state: reinstalled

- name: Remove nodes
  perceus.cluster.node:
    name: n[130-137]
    state: absent
"""

RETURN = r"""
added:
  description: The names of the nodes that are new.
  type: list
  elements: str
  returned: success
  sample: [n140]
updated:
  description: The names of the nodes that changed.
  type: list
  elements: str
  returned: success
  sample: [n138, n139]
removed:
  description: The names of the nodes that are no more.
  type: list
  elements: str
  returned: success
  sample: []
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.change import (
    Plan,
    change_registry,
    find_leftovers,
    find_means,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.declare import (
    Means,
    add_nodes,
    declare_nodes,
    remove_nodes,
    rename_node,
    replace_node,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.installations import (
    order_reinstall,
    withdraw_reinstall,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Registry

NODE = {
    "name": {"type": "str"},
    "macs": {"type": "list", "elements": "str"},
    "group": {"type": "str"},
    "vnfs": {"type": "str"},
    "enabled": {"type": "bool"},
    "boot": {"type": "str", "choices": ["image", "disk", "local", "memtest", "shell", ""]},
    "console": {"type": "str"},
    "kernel_args": {"type": "str"},
    "address": {"type": "str"},
    "overlays": {"type": "list", "elements": "str"},
    "description": {"type": "str"},
    "variables": {"type": "dict"},
}
NEEDED = [("name", "macs")]
ARGUMENTS = {
    **NODE,
    "nodes": {"type": "list", "elements": "dict", "options": NODE, "required_one_of": NEEDED},
    "state": {
        "type": "str",
        "choices": ["present", "added", "declared", "absent", "replaced", "renamed", "reinstalled", "kept"],
        "default": "present",
    },
    "replacement": {"type": "str"},
    "new_name": {"type": "str"},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
}


def take_entries(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the table, of which the module's own options may be the only entry."""
    entries: list[dict[str, Any]] = params["nodes"]
    return [{key: params[key] for key in NODE}] if entries is None else entries


def decide(params: dict[str, Any], registry: Registry, means: Means) -> Plan:
    state, name = params["state"], params["name"]
    if state == "absent":
        return Plan(registry, remove_nodes(registry, take_entries(params)))
    if state == "replaced":
        return Plan(registry, replace_node(registry, name, params["replacement"], means.config))
    if state == "renamed":
        return Plan(registry, rename_node(registry, name, params["new_name"]), (name, params["new_name"]))
    if state == "reinstalled":
        return Plan(registry, order_reinstall(registry, name, new_token=means.new_machine_id))
    if state == "kept":
        return Plan(registry, withdraw_reinstall(registry, name))
    if state == "added":
        return Plan(registry, add_nodes(registry, take_entries(params), means))
    return Plan(registry, declare_nodes(registry, take_entries(params), means, all_of_them=state == "declared"))


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("nodes", key) for key in NODE],
        required_one_of=[("nodes", "name", "macs")],
        required_if=[
            ("state", "declared", ["nodes"]),
            ("state", "replaced", ["name", "replacement"]),
            ("state", "renamed", ["name", "new_name"]),
            ("state", "reinstalled", ["name"]),
            ("state", "kept", ["name"]),
        ],
        supports_check_mode=True,
    )
    try:
        means = find_means(load_config(Path(module.params["config"])))
        plan = change_registry(
            means.config,
            lambda registry: decide(module.params, registry, means),
            check=module.check_mode,
            touches_keys=module.params["state"] in ("declared", "absent", "replaced", "renamed"),
        )
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    for leftover in find_leftovers(plan, means.config.store):
        module.warn(leftover)
    module.exit_json(**plan.as_result())


if __name__ == "__main__":
    main()
