#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of nodes, and what they decide for their nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_group
short_description: Groups of nodes, and what they decide for their nodes
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - A group's values are policy. They are in effect for every node of the group that has none of its own, be it in the
    group now or later.
  - Which nodes are in a group is said by M(perceus.cluster.node).
  - What is not said of a group stays as it is, except with O(state=declared).
options:
  name:
    description: The group.
    type: str
  groups:
    description: A table of groups instead of O(name) and what is said of it, all of them changed at once or none.
    type: list
    elements: dict
    suboptions:
      name:
        description: The group.
        type: str
        required: true
      vnfs: &vnfs
        description: The VNFS that the group's nodes boot. If it is empty, the cluster's default decides.
        type: str
      boot: &boot
        description:
          - What the group's nodes boot. V(image) is their VNFS, V(local) their first disk, V(shell) a shell of iPXE.
          - If it is empty, that is V(image).
        type: str
        choices: [image, disk, local, memtest, shell, ""]
      console: &console
        description: The nodes' console, such as V(ttyS0,115200). If it is empty, the cluster decides.
        type: str
      kernel_args: &kernel_args
        description: Kernel arguments beside those of VNFS and cluster; those of a node come on top.
        type: str
      overlays: &overlays
        description: The overlays of the group's nodes.
        type: list
        elements: str
      description: &description
        description: A line for people.
        type: str
  vnfs: *vnfs
  boot: *boot
  console: *console
  kernel_args: *kernel_args
  overlays: *overlays
  description: *description
  state:
    description:
      - V(present) sees to it that the groups are as said.
      - V(declared) makes the groups of the cluster equal to O(groups). Other groups go, and what is not said of a
        group is as with a new one.
      - V(absent) removes a group. No node goes with it. A group that has nodes is not removed without O(move_to).
    type: str
    choices: [present, declared, absent]
    default: present
  move_to:
    description: The group to which the nodes of a group that is removed belong then, which is made if it is not there.
    type: str
attributes:
  idempotent:
    support: full
    description: What is so already is not changed.
extends_documentation_fragment:
  - perceus.cluster.master.registry
  - perceus.cluster.nodes
seealso:
  - module: perceus.cluster.node
  - module: perceus.cluster.node_info
"""

EXAMPLES = r"""
- name: Have a group's nodes boot a VNFS
  perceus.cluster.node_group:
    name: viz
    vnfs: rocky-9
    kernel_args: nomodeset

- name: Make the groups those of a file in git
  perceus.cluster.node_group:
    groups: "{{ (lookup('ansible.builtin.file', 'nodes.yml') | from_yaml).groups }}"
    state: declared

- name: Dissolve a group
  perceus.cluster.node_group:
    name: viz
    state: absent
    move_to: compute
"""

RETURN = r"""
updated:
  description: The names of the nodes that are in another group now.
  type: list
  elements: str
  returned: success
  sample: []
groups:
  description: The policy of each group, by its name.
  type: dict
  returned: success
  sample: {viz: {vnfs: rocky-9, kernel_args: nomodeset}}
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
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.declare import Means
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.groups import declare_groups, remove_group
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import group_as_dict

POLICY = {
    "vnfs": {"type": "str"},
    "boot": {"type": "str", "choices": ["image", "disk", "local", "memtest", "shell", ""]},
    "console": {"type": "str"},
    "kernel_args": {"type": "str"},
    "overlays": {"type": "list", "elements": "str"},
    "description": {"type": "str"},
}
ARGUMENTS = {
    "name": {"type": "str"},
    **POLICY,
    "groups": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, **POLICY},
    },
    "state": {"type": "str", "choices": ["present", "declared", "absent"], "default": "present"},
    "move_to": {"type": "str"},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
}


def decide(params: dict[str, Any], registry: Registry, means: Means) -> Plan:
    if params["state"] == "absent":
        return Plan(registry, remove_group(registry, params["name"], move_to=params["move_to"]))
    entries = params["groups"]
    if entries is None:
        entries = [{key: params[key] for key in ("name", *POLICY)}]
    declared = params["state"] == "declared"
    return Plan(registry, declare_groups(registry, entries, means.known, all_of_them=declared))


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("groups", key) for key in ("name", *POLICY)],
        required_one_of=[("name", "groups")],
        required_if=[("state", "declared", ["groups"]), ("state", "absent", ["name"])],
        supports_check_mode=True,
    )
    try:
        means = find_means(load_config(Path(module.params["config"])))
        plan = change_registry(
            means.config,
            lambda registry: decide(module.params, registry, means),
            check=module.check_mode,
            touches_keys=False,
        )
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    for leftover in find_leftovers(plan, means.config.store):
        module.warn(leftover)
    groups = {name: group_as_dict(group) for name, group in plan.after.groups.items()}
    module.exit_json(changed=plan.changed, diff=plan.as_diff(), updated=plan.updated, groups=groups)


if __name__ == "__main__":
    main()
