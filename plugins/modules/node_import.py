#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_import
short_description: Register the nodes of another provisioner
version_added: 0.1.0
description:
  - Reads what another provisioner prints of its nodes, or keeps, and registers them here with names, MAC addresses,
    groups and whatever else has a place here. Everything else is listed with the reason.
  - In check mode that is all that happens, which makes it the dry run.
  - A name, MAC address or value that is wrong, hostile, or there already is left out and listed; the rest is imported.
  - A node without an address of its own in the cluster's network gets a free one.
options:
  src:
    description:
      - The file on the master. Several listings of the same provisioner may stand in it one after the other.
      - C(docs/nodes.md) says for each format how to make it.
    type: path
    required: true
  format:
    description: The format, where the content of O(src) does not show it.
    type: str
    choices:
      - csv
      - dhcpd
      - dnsmasq
      - ethers
      - oscar
      - perceus
      - perceus_reload
      - rocks_dump
      - rocks_list
      - warewulf3
      - warewulf4
      - xcat
  update:
    description:
      - Whether nodes and groups that are there already get what O(src) says of them. Else they stay as they are.
      - Addresses and MAC addresses of nodes stay even then; further MAC addresses are added.
    type: bool
    default: false
attributes:
  idempotent:
    support: full
    description: What was imported is there already the next time.
extends_documentation_fragment:
  - perceus.cluster.master.registry
  - perceus.cluster.nodes
seealso:
  - module: perceus.cluster.node
  - module: perceus.cluster.node_group
  - module: perceus.cluster.node_mask
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Register the nodes of the Perceus master that this one replaces
  perceus.cluster.node_import:
    src: /root/perceus-node-show.txt

- name: Say which nodes of a Rocks cluster could be imported, and what could not
  perceus.cluster.node_import:
    src: /root/rocks.txt
    format: rocks_list
  check_mode: true
"""

RETURN = r"""
format:
  description: The format of the file.
  returned: success
  type: str
  sample: perceus
nodes:
  description: The nodes that were carried over, as they are registered now, in natural order of their names.
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description: V(add), V(update), or V(none) for a node that is there already.
      type: str
      sample: add
    name:
      description: The registered name.
      type: str
      sample: n101
    macs:
      description: The MAC addresses.
      type: list
      elements: str
      sample: [52:54:00:12:34:56]
    address:
      description: The reserved address.
      type: str
      sample: 10.17.5.101
    group:
      description: The node's group.
      type: str
      sample: compute
    enabled:
      description: Whether the node may boot.
      type: bool
      sample: true
    vnfs:
      description: The node's own VNFS, if its group does not decide.
      type: str
      sample: debian
masked:
  description: The MAC addresses that are masked from now on, since another boot server owns them.
  returned: success
  type: list
  elements: str
  sample: [00:e0:81:27:2a:f1]
left_out:
  description: What was not carried over.
  returned: success
  type: list
  elements: dict
  contains:
    line:
      description: Where it first stands in O(src), if it stands there.
      type: int
      sample: 7
    what:
      description: What it is.
      type: str
      sample: lastcontact
    reason:
      description: Why it was left out.
      type: str
      sample: it says what the node did last, not what it is
    times:
      description: How often.
      type: int
      sample: 37
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.change import change_registry, find_means
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers.formats import NAMES, parse
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importing import load_text, plan_import

ARGUMENTS = {
    "src": {"type": "path", "required": True},
    "format": {"type": "str", "choices": list(NAMES)},
    "update": {"type": "bool", "default": False},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    update = module.params["update"]
    try:
        means = find_means(load_config(Path(module.params["config"])))
        name, imported = parse(load_text(Path(module.params["src"])), name=module.params["format"])
        plan = change_registry(
            means.config,
            lambda registry: plan_import(imported, registry, means, origin=f"imported from {name}", update=update),
            check=module.check_mode,
            touches_keys=False,
        )
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(
        changed=plan.changed,
        format=name,
        nodes=list(plan.carried),
        masked=plan.masked,
        left_out=[asdict(part) for part in plan.left_out],
        diff=plan.as_diff(),
    )


if __name__ == "__main__":
    main()
