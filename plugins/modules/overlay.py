#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay
short_description: Overlays, the files and scripts that nodes get over their image
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - An overlay is a folder C(/var/lib/perceus/overlays/NAME) of the master. What is below C(files) becomes files of the
    nodes for which it is active, when they boot next. What is in C(init.d) and C(ready.d) are scripts that they run, in
    the order of their names, before their systemd starts, and when they are up.
  - A node gets the overlays of all nodes, those of its VNFS, its group, and its own, in this order. Of two files of one
    name the later is there.
  - A file whose name ends in C(.j2) is a template, rendered on the master for each node, and has that end no more. It
    knows C(node), C(cluster) and C(accounts), see C(docs/boot.md).
  - Whoever reaches the master's web server can read what nodes get. What holds a secret, such as a private key, is
    refused.
options:
  name:
    description: The overlay.
    type: str
    required: true
  files:
    description:
      - All files of the overlay. Without it, O(state=present) leaves them as they lie there, and only checks them.
      - A folder that lies elsewhere, such as in git, is brought by M(ansible.builtin.copy), links and binary files too.
    type: list
    elements: dict
    suboptions:
      path:
        description: The name below the overlay's folder, such as V(files/etc/motd.j2) or V(ready.d/50-hello).
        type: str
        required: true
      content:
        description: The text.
        type: str
        required: true
      mode:
        description: The mode, in octal. Scripts are always executable.
        type: str
        default: "0644"
  state:
    description:
      - V(present) sees to it that the overlay is there. V(absent) removes it, unless it is active.
      - V(active) and V(inactive) say whether nodes of O(scope) get it.
    type: str
    choices: [present, absent, active, inactive]
    default: present
  scope:
    description: Whose nodes are meant. Required for V(active) and V(inactive).
    type: str
    choices: [all, vnfs, group, node]
  of:
    description:
      - The VNFS, the group, or the nodes that are meant, those as with M(perceus.cluster.node). With O(scope=all) it is
        not needed.
    type: str
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows the files that change, or the lines of the registry.
  idempotent:
    support: full
    description: What is so already is not changed.
notes:
  - Running nodes stay as they are. A livesync leaves alone what they got by an overlay.
requirements:
  - Jinja2, if there are templates. The role P(perceus.cluster.reconciler#role) installs it.
  - ClusterShell, if a set of nodes is named. The role P(perceus.cluster.reconciler#role) installs it.
extends_documentation_fragment: perceus.cluster.master.registry
seealso:
  - module: perceus.cluster.overlay_info
  - module: perceus.cluster.node_group
"""

EXAMPLES = r"""
- name: Greet by name on every node
  perceus.cluster.overlay:
    name: greeting
    files:
      - path: files/etc/motd.j2
        content: |
          This is {{ '{{' }} node.name {{ '}}' }}, a node of {{ '{{' }} cluster.domain {{ '}}' }}.
      - path: ready.d/50-say-so
        content: |
          #!/bin/sh
          wall "ready"

- name: For all nodes
  perceus.cluster.overlay:
    name: greeting
    state: active
    scope: all

- name: The second network of some nodes
  perceus.cluster.overlay:
    name: ipaddr
    state: active
    scope: node
    of: n[101-120]
"""

RETURN = r"""
nodes:
  description: The names of the nodes that get the overlay.
  type: list
  elements: str
  returned: success
  sample: [n101, n102]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig, load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.change import Plan, change_registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Registry
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.change import activate, change_overlay
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.scopes import SCOPES, find_nodes

FILE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "dict", "options": FILE},
    "state": {"type": "str", "choices": ["present", "absent", "active", "inactive"], "default": "present"},
    "scope": {"type": "str", "choices": list(SCOPES)},
    "of": {"type": "str"},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
}


def write(params: dict[str, Any], config: ClusterConfig, *, check: bool) -> dict[str, Any]:
    present = params["state"] == "present"
    plan = change_overlay(params["name"], params["files"], config, present=present, check=check)
    return {"changed": plan.changed, "diff": plan.as_diff(), "nodes": list(plan.nodes)}


def switch(params: dict[str, Any], config: ClusterConfig, *, check: bool) -> dict[str, Any]:
    name, active = params["name"], params["state"] == "active"

    def decide(registry: Registry) -> Plan:
        after = activate(name, registry, config, scope=params["scope"], of=params["of"], active=active)
        return Plan(registry, after)

    plan = change_registry(config, decide, check=check, touches_keys=False)
    nodes = find_nodes(name, plan.after, default_vnfs=config.default_vnfs)
    return {"changed": plan.changed, "diff": plan.as_diff(), "nodes": nodes}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "active", ["scope"]), ("state", "inactive", ["scope"])],
        supports_check_mode=True,
    )
    act = write if module.params["state"] in ("present", "absent") else switch
    try:
        result = act(module.params, load_config(Path(module.params["config"])), check=module.check_mode)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
