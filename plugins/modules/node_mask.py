#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that another boot system owns."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_mask
short_description: Machines that another boot system owns
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - The master answers no DHCP request of a machine that is masked, and never makes a node of it.
  - Masks are kept in the registry, beside those that the cluster's configuration has, C(perceus_masked_macs), which are
    left to it.
options:
  macs:
    description: The MAC addresses.
    type: list
    elements: str
    required: true
  reason:
    description: Why, in a line for people.
    type: str
    default: ""
  state:
    description: Whether the machines are masked.
    type: str
    choices: [present, absent]
    default: present
attributes:
  idempotent:
    support: full
    description: What is so already is not changed.
extends_documentation_fragment:
  - perceus.cluster.master.registry
  - perceus.cluster.nodes
seealso:
  - module: perceus.cluster.node
"""

EXAMPLES = r"""
- name: Leave a machine to the storage's own boot server
  perceus.cluster.node_mask:
    macs: [52:54:00:12:34:56]
    reason: a controller of the storage

- name: Take the mask away
  perceus.cluster.node_mask:
    macs: [52:54:00:12:34:56]
    state: absent
"""

RETURN = r"""
masked:
  description: Why each machine is masked that the registry masks, by its MAC address.
  type: dict
  returned: success
  sample: {"52:54:00:12:34:56": a controller of the storage}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.change import Plan, change_registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.groups import mask_macs, unmask_macs
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Registry


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "macs": {"type": "list", "elements": "str", "required": True},
            "reason": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
        },
        supports_check_mode=True,
    )
    macs, reason = module.params["macs"], module.params["reason"]
    try:
        config = load_config(Path(module.params["config"]))

        def decide(registry: Registry) -> Plan:
            if module.params["state"] == "absent":
                return Plan(registry, unmask_macs(registry, macs, config))
            return Plan(registry, mask_macs(registry, macs, reason, config))

        plan = change_registry(config, decide, check=module.check_mode, touches_keys=False)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=plan.changed, diff=plan.as_diff(), masked=dict(plan.after.masked))


if __name__ == "__main__":
    main()
