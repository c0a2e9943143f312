#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_info
short_description: Secrets and the nodes that get them
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - Says what secrets are declared, and for whom; never what is in them.
  - Changes nothing.
extends_documentation_fragment:
  - perceus.cluster.master.registry
  - perceus.cluster.master.reading
seealso:
  - module: perceus.cluster.secret
"""

EXAMPLES = r"""
- name: See what secrets there are
  perceus.cluster.secret_info:
  register: declared

- name: Require that each node has a keytab
  ansible.builtin.assert:
    that: groups['nodes'] | difference(keytabs | map(attribute='nodes') | flatten) == []
  vars:
    keytabs: "{{ declared.secrets | selectattr('file', 'eq', '/etc/krb5.keytab') }}"
"""

RETURN = r"""
secrets:
  description: The secrets, those of all nodes first, then those of VNFSs, groups and nodes.
  returned: success
  type: list
  elements: dict
  contains:
    file:
      description: The file on the nodes.
      type: str
      sample: /etc/munge/munge.key
    scope:
      description: Whose nodes are meant.
      type: str
      sample: group
    of:
      description: The VNFS, the group or the node. Null for all nodes.
      type: str
      sample: compute
    owner:
      description: The user who owns the file.
      type: str
      sample: munge
    group:
      description: The file's group.
      type: str
      sample: munge
    mode:
      description: The mode, in octal.
      type: str
      sample: "0400"
    place:
      description: Whether it lies in memory or in the root file system.
      type: str
      sample: root
    restart:
      description: The units that are restarted.
      type: list
      elements: str
      sample: [munge.service]
    size:
      description: Bytes.
      type: int
      sample: 1024
    nodes:
      description: The names of the nodes that get it.
      type: list
      elements: str
      sample: [n101, n102]
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry
from ansible_collections.perceus.cluster.plugins.module_utils._secrets.info import describe_secrets


def main() -> None:
    module = AnsibleModule(
        argument_spec={"config": {"type": "path", "default": "/etc/perceus/cluster.json"}},
        supports_check_mode=True,
    )
    try:
        config = load_config(Path(module.params["config"]))
        secrets = describe_secrets(load_registry(config.registry), config)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, secrets=secrets)


if __name__ == "__main__":
    main()
