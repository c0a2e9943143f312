#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs
short_description: Build a VNFS, the root file system of nodes
version_added: 0.1.0
description:
  - Makes a Debian tree with mmdebstrap on the master, with all that a node of the cluster needs to boot from RAM.
  - The tree, C(/var/lib/perceus/vnfs/NAME/rootfs), is yours to edit, best with M(perceus.cluster.vnfs_command).
    Nodes get it after M(perceus.cluster.vnfs_image) has published it.
  - A tree is built beside the old one and swapped in when it is complete. A build that fails or is killed changes
    nothing.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  suite:
    description:
      - The distribution's suite, such as V(bookworm) or V(trixie).
      - Without it, a new VNFS gets the master's own and an existing one stays as it is.
    type: str
  mirror:
    description:
      - The archive to take packages from.
      - Without it, the master's own apt sources are used, with O(suite) in the place of the master's suite.
    type: str
  components:
    description: The archive's components.
    type: list
    elements: str
    default: [main]
  variant:
    description: How much of the distribution is in the tree before O(packages), in the words of mmdebstrap.
    type: str
    choices: [apt, minbase, buildd, important, standard]
    default: minbase
  kernel_package:
    description: The package that brings the nodes' kernel. V(linux-image-cloud-amd64) is enough for virtual machines.
    type: str
    default: linux-image-amd64
  packages:
    description:
      - Packages beside those that every node needs.
      - One that is added later is installed into the existing tree. One that leaves the list stays installed until the
        VNFS is rebuilt.
    type: list
    elements: str
    default: []
  authorized_keys:
    description: Public ssh keys that may log in to nodes as root, as lines of an authorized_keys file.
    type: list
    elements: str
    default: []
  root_password_hash:
    description:
      - The hash of root's password, as in C(/etc/shadow).
      - Without it root has no password and can log in by key only.
      - The hash is in the image, which whoever reaches the master's web server can read.
    type: str
  state:
    description:
      - V(present) builds the VNFS if it is not there, and brings packages, keys and password of an existing one up to
        date.
      - V(rebuilt) builds it again from nothing in any case. What was changed in the tree is lost, published images
        stay.
      - V(absent) removes tree and images.
    type: str
    choices: [present, rebuilt, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows the change of the recipe.
  idempotent:
    support: partial
    description: O(state=rebuilt) always builds.
    details: All else is idempotent.
extends_documentation_fragment: perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs_image
  - module: perceus.cluster.vnfs_command
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Build a VNFS of the master's own suite
  perceus.cluster.vnfs:
    name: debian
    packages: [sudo, iputils-ping, vim-tiny]
    authorized_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"

- name: Build a VNFS of Debian 13 for virtual machines
  perceus.cluster.vnfs:
    name: trixie
    suite: trixie
    kernel_package: linux-image-cloud-amd64

- name: Start again from nothing
  perceus.cluster.vnfs:
    name: debian
    state: rebuilt
"""

RETURN = r"""
vnfs:
  description: The name.
  type: str
  returned: success
  sample: debian
rootfs:
  description: The tree.
  type: str
  returned: success
  sample: /var/lib/perceus/vnfs/debian/rootfs
action:
  description:
    - What was done, or would be done in check mode.
    - One of V(build), V(rebuild), V(update), V(remove), V(none).
  type: str
  returned: success
  sample: build
phases:
  description: How long each part took, in seconds.
  type: dict
  returned: success
  sample: {bootstrap: 31.5, configure: 1.4}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build import apply_plan, load_current, want_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe import VARIANTS, plan_vnfs
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, held, vnfs_in

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "suite": {"type": "str"},
    "mirror": {"type": "str"},
    "components": {"type": "list", "elements": "str", "default": ["main"]},
    "variant": {"type": "str", "choices": list(VARIANTS), "default": "minbase"},
    "kernel_package": {"type": "str", "default": "linux-image-amd64"},
    "packages": {"type": "list", "elements": "str", "default": []},
    "authorized_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "root_password_hash": {"type": "str", "no_log": True},
    "state": {"type": "str", "choices": ["present", "rebuilt", "absent"], "default": "present"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = dict(module.params)
    name, state = options.pop("name"), options.pop("state")
    phases = Phases()
    try:
        vnfs = vnfs_in(STORE, name)
        with held(vnfs, writing=not module.check_mode):
            current = load_current(vnfs)
            wanted = None if state == "absent" else want_recipe(options, current=current)
            plan = plan_vnfs(name, current, wanted, from_scratch=state == "rebuilt")
            if not module.check_mode:
                phases = apply_plan(plan, vnfs, runner=CommandRunner())
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(
        changed=plan.changed,
        vnfs=name,
        rootfs=str(vnfs.rootfs),
        action=plan.action,
        phases=phases.seconds,
        diff=plan.as_diff(),
    )


if __name__ == "__main__":
    main()
