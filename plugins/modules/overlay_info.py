#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_info
short_description: Overlays, where they are active, and what nodes get of them
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - Reads the overlays of the master, and says for which VNFSs, groups and nodes they are active.
  - Shows every file that a node would get if it booted now, with its content and the overlay that it comes from.
  - Changes nothing.
options:
  name:
    description: Only this overlay.
    type: str
  preview:
    description: The nodes of which RV(previews) is to be shown, as with M(perceus.cluster.node).
    type: str
requirements:
  - Jinja2, if there are templates. The role P(perceus.cluster.reconciler#role) installs it.
  - ClusterShell, if a set of nodes is named. The role P(perceus.cluster.reconciler#role) installs it.
extends_documentation_fragment:
  - perceus.cluster.master.registry
  - perceus.cluster.master.reading
seealso:
  - module: perceus.cluster.overlay
"""

EXAMPLES = r"""
- name: See what a node gets
  perceus.cluster.overlay_info:
    preview: n101
  register: overlays

- name: Require its second network
  ansible.builtin.assert:
    that: overlays.previews[0].files | selectattr('name', 'search', 'eth1') | length == 1
"""

RETURN = r"""
overlays:
  description: The overlays, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The overlay.
      type: str
      sample: ipaddr
    files:
      description: The names of its files, below its folder.
      type: list
      elements: str
      sample: [files/etc/systemd/network/20-perceus.network.j2]
    all:
      description: Whether it is active for all nodes.
      type: bool
      sample: false
    vnfs:
      description: The VNFSs for whose nodes it is active.
      type: list
      elements: str
      sample: []
    groups:
      description: The groups for whose nodes it is active.
      type: list
      elements: str
      sample: [compute]
    own_nodes:
      description: The single nodes for which it is active.
      type: list
      elements: str
      sample: []
    nodes:
      description: The names of the nodes that get it.
      type: list
      elements: str
      sample: [n101, n102]
previews:
  description: What each of the nodes of O(preview) gets.
  returned: success
  type: list
  elements: dict
  contains:
    node:
      description: The node.
      type: str
      sample: n101
    overlays:
      description: Its overlays in the order in which they are applied, and the scope by which it gets each.
      type: list
      elements: dict
      sample: [{name: ipaddr, scope: group}]
    error:
      description: Why it gets none. Such a node does not boot. Null otherwise.
      type: str
      sample: null
    files:
      description: The files, by name.
      type: list
      elements: dict
      contains:
        name:
          description: The file on the node.
          type: str
          sample: /etc/motd
        overlay:
          description: The overlay that it comes from.
          type: str
          sample: greeting
        scope:
          description: The scope by which the node gets that.
          type: str
          sample: all
        mode:
          description: The mode, in octal.
          type: str
          sample: "0644"
        target:
          description: Where a link leads to, null for a file.
          type: str
          sample: null
        content:
          description: The text, null if it is none.
          type: str
          sample: "This is n101\n"
        size:
          description: Bytes.
          type: int
          sample: 13
        sha256:
          description: The SHA-256 of the content.
          type: str
          sample: 0263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813f
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.nodeset import select_nodes
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.info import describe_overlays, preview


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "preview": {"type": "str"},
            "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
        },
        supports_check_mode=True,
    )
    name, nodes = module.params["name"], module.params["preview"]
    try:
        config = load_config(Path(module.params["config"]))
        registry = load_registry(config.registry)
        overlays = describe_overlays(registry, config, [name] if name else None)
        previews = preview(select_nodes(nodes, registry) if nodes else (), registry, config)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, overlays=overlays, previews=previews)


if __name__ == "__main__":
    main()
