#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs_links
short_description: Find symbolic links of a VNFS that break under another root, and make them relative
version_added: 0.1.0
description:
  - Lists the links of the tree that lead to nothing, climb above its root, or name their target from the root. Such
    links lead elsewhere where the tree, or a part of it such as C(/usr), is mounted under another folder.
  - Links to C(/dev), C(/proc), C(/run), C(/sys) and C(/tmp) lead to what only a running system has, and are not listed.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  relative:
    description:
      - Patterns of links to make relative, in the grammar of C(docs/vnfs.md). Without any, links are listed only.
      - Links to nothing stay as they are.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows each link before and after.
  idempotent:
    support: full
    description: A relative link stays as it is.
extends_documentation_fragment: perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: List the links that break under another root
  perceus.cluster.vnfs_links:
    name: debian

- name: Make those of a shared folder relative
  perceus.cluster.vnfs_links:
    name: debian
    relative: [/usr/**]
"""

RETURN = r"""
links:
  description: The links that break under another root, as they were found.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The link, relative to the root.
      type: str
      sample: usr/lib/jvm/default
    target:
      description: Where it leads.
      type: str
      sample: /usr/lib/jvm/java-17
    kind:
      description: One of V(absolute), V(escapes), V(dangling).
      type: str
      sample: absolute
    relative:
      description: Its new target; null for one that stays.
      type: str
      sample: java-17
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.links import apply_links, plan_links
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, held, vnfs_in

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "relative": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        vnfs = vnfs_in(STORE, module.params["name"])
        relative = compile_patterns(module.params["relative"])
        with held(vnfs, writing=bool(relative.texts) and not module.check_mode):
            plan = plan_links(vnfs, relative)
            if not module.check_mode and plan.changed:
                apply_links(plan, vnfs)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=plan.changed, links=plan.as_links(), diff=plan.as_diff())


if __name__ == "__main__":
    main()
