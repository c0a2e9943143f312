#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secret
short_description: Secrets, the files that running nodes get over ssh
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - Declares that nodes get a file which nobody else may read, such as a munge key or a keytab. It is kept below
    C(/var/lib/perceus/secrets), which only root of the master may enter, and is in no image, overlay or log.
  - The identity service gives a node its secrets over ssh as soon as the node is up and has its permanent host key, and
    again when they change. C(perceus-identity.service) looks every 30 seconds, and when it is started.
  - Of two secrets of one file the more particular counts, that of a node before that of its group, its VNFS and all
    nodes. A secret goes, and gets another name, with its node.
options:
  file:
    description: The file on the node.
    type: str
    required: true
  scope:
    description: Whose nodes are meant.
    type: str
    choices: [all, vnfs, group, node]
    required: true
  of:
    description:
      - The VNFS, the group, or the nodes that are meant, those as with M(perceus.cluster.node). With O(scope=all) it is
        not needed.
    type: str
  content:
    description: What is in the file. Either this or O(src) is needed for O(state=present).
    type: str
  encoding:
    description: How O(content) is written. A keytab is not text.
    type: str
    choices: [text, base64]
    default: text
  src:
    description: A file of the master with the content, at most 1 MiB. It is read, and stays as it is.
    type: path
  owner:
    description: The user on the node who owns the file, by name or number.
    type: str
    default: root
  group:
    description: The group on the node.
    type: str
    default: root
  mode:
    description: The mode, in octal.
    type: str
    default: "0400"
  place:
    description:
      - V(memory) puts the content into memory that is never swapped, and makes O(file) a link to it.
      - V(root) makes O(file) a file, for programs that refuse a link, as munged does. The root file system of a node is
        in memory too, but may be swapped. On a node with its root on a disk the file stays there.
    type: str
    choices: [memory, root]
    default: memory
  restart:
    description: The node's units to restart when the file has come or has changed.
    type: list
    elements: str
    default: []
  state:
    description: Whether there is such a secret. One that is taken away is taken from running nodes, too.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows what the file is like and whether its content changes, never the content.
  idempotent:
    support: full
    description: What is so already is not changed.
requirements:
  - ClusterShell, if a set of nodes is named. The role P(perceus.cluster.reconciler#role) installs it.
extends_documentation_fragment: perceus.cluster.master.registry
seealso:
  - module: perceus.cluster.secret_info
  - module: perceus.cluster.overlay
"""

EXAMPLES = r"""
- name: One munge key for the cluster
  perceus.cluster.secret:
    file: /etc/munge/munge.key
    scope: all
    content: "{{ munge_key }}"
    encoding: base64
    owner: munge
    group: munge
    place: root
    restart: [munge.service]

- name: The keytab of a node, as kadmin wrote it on the master
  perceus.cluster.secret:
    file: /etc/krb5.keytab
    scope: node
    of: n101
    src: /root/keytabs/n101
    mode: "0600"
"""

RETURN = r"""
holders:
  description: The VNFS, the group or the nodes that were meant; empty for all nodes.
  type: list
  elements: str
  returned: success
  sample: [n101]
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.scopes import SCOPES
from ansible_collections.perceus.cluster.plugins.module_utils._secrets.change import change_secret, take_secret
from ansible_collections.perceus.cluster.plugins.module_utils._secrets.secret import PLACES

ARGUMENTS = {
    "file": {"type": "str", "required": True},
    "scope": {"type": "str", "choices": list(SCOPES), "required": True},
    "of": {"type": "str"},
    "content": {"type": "str", "no_log": True},
    "encoding": {"type": "str", "choices": ["text", "base64"], "default": "text"},
    "src": {"type": "path"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0400"},
    "place": {"type": "str", "choices": list(PLACES), "default": "memory"},
    "restart": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("content", "src")],
        required_if=[("state", "present", ["content", "src"], True)],
        supports_check_mode=True,
    )
    params = module.params
    try:
        plan = change_secret(
            params["file"],
            take_secret(params) if params["state"] == "present" else None,
            load_config(Path(params["config"])),
            scope=params["scope"],
            of=params["of"],
            check=module.check_mode,
        )
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=plan.changed, diff=plan.as_diff(), holders=[holder for holder in plan.before if holder])


if __name__ == "__main__":
    main()
