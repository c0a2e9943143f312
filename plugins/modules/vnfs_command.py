#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs_command
short_description: Run one program inside a VNFS
version_added: 0.1.0
description:
  - Runs a program on the master with the tree of a VNFS as its root, in private mount, process, IPC and host name
    spaces. It is root there, reaches the network as the master does, and sees its own C(/proc), C(/dev), C(/run) and
    C(/tmp).
  - No service is started, whatever a package's scripts ask for. Nothing of it is left behind, however it ends.
  - The program is started directly, not by a shell.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  argv:
    description: The program and its arguments.
    type: list
    elements: str
    required: true
  chdir:
    description: The folder inside the VNFS to run in.
    type: str
    default: /
  creates:
    description: A name inside the VNFS, absolute. If it exists, the program is not run.
    type: str
  removes:
    description: A name inside the VNFS, absolute. If it does not exist, the program is not run.
    type: str
  stdin:
    description: What the program reads from its standard input, as it stands.
    type: str
attributes:
  check_mode:
    support: full
    description: The program is not run. Whether it would be is told from O(creates) and O(removes).
  diff_mode:
    support: N/A
    description: What a program changes is its own affair. M(perceus.cluster.vnfs_image) in check mode shows it.
  idempotent:
    support: partial
    description: With O(creates) or O(removes) only.
    details: What the program does is not known.
extends_documentation_fragment: perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Install a package into a VNFS
  perceus.cluster.vnfs_command:
    name: debian
    argv: [apt-get, install, --yes, tmux]
    creates: /usr/bin/tmux

- name: Add a group to a VNFS
  perceus.cluster.vnfs_command:
    name: debian
    argv: [groupadd, --force, --gid, '2000', users2000]
"""

RETURN = r"""
vnfs:
  description: The name.
  type: str
  returned: success
  sample: debian
argv:
  description: The program and its arguments.
  type: list
  elements: str
  returned: always
  sample: [apt-get, install, --yes, tmux]
rc:
  description: The program's exit status.
  type: int
  returned: when it was run
  sample: 0
stdout:
  description: The program's standard output.
  type: str
  returned: when it was run
  sample: Setting up tmux (3.3a-3) ...
stderr:
  description: The program's standard error.
  type: str
  returned: when it was run
  sample: ''
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, held, vnfs_in
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.work.sandbox import Sandbox, is_due

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "argv": {"type": "list", "elements": "str", "required": True},
    "chdir": {"type": "str", "default": "/"},
    "creates": {"type": "str"},
    "removes": {"type": "str"},
    "stdin": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    result: dict[str, Any] = {"vnfs": options["name"], "argv": options["argv"]}
    try:
        vnfs = vnfs_in(STORE, options["name"])
        vnfs.require_tree()
        with held(vnfs, writing=not module.check_mode):
            due = is_due(vnfs.rootfs, creates=options["creates"], removes=options["removes"])
            if due and not module.check_mode:
                sandbox = Sandbox(vnfs.rootfs, CommandRunner())
                done = sandbox(options["argv"], stdin=options["stdin"], cwd=options["chdir"])
                result.update(rc=done.status, stdout=done.stdout, stderr=done.stderr)
    except PerceusError as error:
        module.fail_json(msg=str(error), **{**result, **error.details})
    module.exit_json(changed=due, **result)


if __name__ == "__main__":
    main()
