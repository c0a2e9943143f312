#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs_diff
short_description: What differs between generations of a VNFS
version_added: 0.1.0
description:
  - Compares the packages and the files of two generations, or of a generation and the tree.
  - Changes nothing.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  before:
    description:
      - What to compare with, the id of a generation, V(current) for the one that is served, or V(tree) for what
        publishing would make an image of now.
    type: str
    default: current
  after:
    description: What is compared, in the same words.
    type: str
    default: tree
attributes:
  check_mode:
    support: full
    description: Reads only, so that it does the same in check mode.
  diff_mode:
    support: full
    description: The difference for people to read. Ansible shows it where C(changed_when) makes it count as a change.
  idempotent:
    support: full
    description: Changes nothing.
extends_documentation_fragment: perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs_image
  - module: perceus.cluster.vnfs_info
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See what was changed in the tree since it was published
  perceus.cluster.vnfs_diff:
    name: debian
  register: changes

- name: Require that the tree has only been given security updates
  ansible.builtin.assert:
    that: changes.packages | rejectattr('change', 'equalto', 'upgraded') | length == 0

- name: Compare two generations
  perceus.cluster.vnfs_diff:
    name: debian
    before: fedcba9876543210
    after: 0123456789abcdef
"""

RETURN = r"""
before:
  description: What was compared with.
  type: str
  returned: success
  sample: debian fedcba9876543210
after:
  description: What was compared.
  type: str
  returned: success
  sample: debian tree
packages:
  description: The packages that differ, by name.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The package.
      type: str
      sample: openssl
    arch:
      description: Its architecture.
      type: str
      sample: amd64
    change:
      description: One of V(added), V(removed), V(upgraded), V(downgraded).
      type: str
      sample: upgraded
    before:
      description: The version before, null where there was none.
      type: str
      sample: 3.0.16-1~deb12u1
    after:
      description: The version after, null where there is none.
      type: str
      sample: 3.0.17-1~deb12u1
files:
  description: The files that differ, by name.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The file, without the slash at its beginning.
      type: str
      sample: etc/motd
    change:
      description: One of V(added), V(removed), V(content), V(metadata).
      type: str
      sample: content
    before:
      description: Its size in bytes before, null where there was no file.
      type: int
      sample: 12
    after:
      description: Its size in bytes after, null where there is no file.
      type: int
      sample: 21
    differing:
      description: What of the file differs, in the words of C(manifest.json).
      type: list
      elements: str
      sample: [size, mtime, sha256]
counts:
  description: How many packages and files of each change there are.
  type: dict
  returned: success
  sample: {packages: {upgraded: 1}, files: {content: 3}}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.content import CURRENT, TREE, load_content
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.difference import diff_contents
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, vnfs_in

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "before": {"type": "str", "default": CURRENT},
    "after": {"type": "str", "default": TREE},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    runner = CommandRunner()
    try:
        vnfs = vnfs_in(STORE, module.params["name"])
        before, after = (load_content(vnfs, module.params[side], runner=runner) for side in ("before", "after"))
        difference = diff_contents(before, after, runner=runner)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, **difference.as_dict(), diff={"prepared": difference.render()})


if __name__ == "__main__":
    main()
