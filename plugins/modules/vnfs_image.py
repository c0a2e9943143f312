#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs_image
short_description: Publish a VNFS as an image that nodes boot
version_added: 0.1.0
description:
  - Makes kernel, initramfs and a compressed root file system from the tree of a VNFS, describes them, and has the
    master serve them under the generation's id, which is a hash over the tree and the options.
  - How it is made, M(perceus.cluster.vnfs) has kept in the VNFS.
  - A generation never changes. An unchanged tree is published already, and nothing is written. A tree that is as it was
    in an earlier generation makes that one current again.
  - What belongs to one machine or moment stays out of the image. These are ssh host keys, the machine id, DHCP leases
    and identifiers, random seeds, logs, package lists and caches, and the content of C(/dev), C(/proc), C(/run),
    C(/sys), C(/tmp) and C(/var/tmp).
  - A tree that holds a private key, a keytab, a munge key, another password hash than the one of
    M(perceus.cluster.vnfs), or a password in the configuration of package managers, proxies and shells is refused. The
    first MiB of each file is looked at.
  - A run that fails or is killed leaves the generation served that was served before.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  state:
    description: V(published) is what an image can be.
    type: str
    choices: [published]
    default: published
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows each file that differs between the served generation and the tree.
  idempotent:
    support: full
    description: An unchanged tree is not published again.
extends_documentation_fragment: perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Publish what was changed in a VNFS
  perceus.cluster.vnfs_image:
    name: debian

- name: See what publishing would change
  perceus.cluster.vnfs_image:
    name: debian
  check_mode: true
  diff: true
"""

RETURN = r"""
vnfs:
  description: The name.
  type: str
  returned: success
  sample: debian
generation:
  description: The id of the generation that is served, or would be in check mode.
  type: str
  returned: success
  sample: 0123456789abcdef
action:
  description: What was done, or would be done in check mode. One of V(publish), V(flip), V(none).
  type: str
  returned: success
  sample: publish
kernel_release:
  description: The kernel that nodes will run.
  type: str
  returned: success
  sample: 6.1.0-40-amd64
tree_size:
  description: Bytes in the files of the image, before compression.
  type: int
  returned: success
  sample: 381681664
tree_files:
  description: The number of files in the image, folders included.
  type: int
  returned: success
  sample: 14210
excluded:
  description: What each pattern of the option C(exclude) keeps out of the image.
  type: list
  elements: dict
  returned: success
  contains:
    pattern:
      description: The pattern.
      type: str
      sample: /usr/share/doc/**
    files:
      description: How many files, folders included, that no pattern before it names.
      type: int
      sample: 812
    bytes:
      description: Their size.
      type: int
      sample: 7340032
scrubbed:
  description: What of the tree belongs to one machine or moment and is not in the image. Folders stand for all in them.
  type: list
  elements: str
  returned: success
  sample: [etc/machine-id, etc/ssh/ssh_host_ed25519_key]
allowed_secrets:
  description: Secrets that are in the image because the option C(allow_secrets) names them.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The file.
      type: str
      sample: etc/ssl/private/service.key
    kind:
      description: What it holds.
      type: str
      sample: private key
pruned:
  description: Generations that were removed.
  type: list
  elements: str
  returned: success
  sample: [fedcba9876543210]
phases:
  description: How long each part took, in seconds.
  type: dict
  returned: success
  sample: {initramfs: 6.1, squashfs: 3.4, describe: 0.4}
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build import load_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish import (
    apply_publish,
    diff_images,
    plan_publish,
    require_bootable,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, held, vnfs_in

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["published"], "default": "published"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        vnfs = vnfs_in(STORE, module.params["name"])
        phases = Phases(None if module.check_mode else vnfs.progress)
        with held(vnfs, writing=not module.check_mode):
            plan = plan_publish(vnfs, load_tree(vnfs), phases=phases)
            require_bootable(plan)
            diff = diff_images(plan, vnfs)
            if not module.check_mode:
                apply_publish(plan, vnfs, runner=CommandRunner(), phases=phases)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    for pattern, excluded in plan.manifest.excluded.items():
        if not excluded.files:
            module.warn(f"The pattern {pattern!r} of the option exclude keeps nothing out of the image")
    module.exit_json(
        changed=plan.changed,
        vnfs=vnfs.name,
        generation=plan.generation,
        action=plan.action,
        kernel_release=plan.kernel_release,
        tree_size=plan.manifest.size,
        tree_files=len(plan.manifest.entries),
        excluded=plan.manifest.as_excluded(),
        scrubbed=list(plan.manifest.scrubbed),
        allowed_secrets=[asdict(secret) for secret in plan.manifest.secrets],
        pruned=list(plan.pruned),
        phases=phases.seconds,
        diff=diff,
    )


if __name__ == "__main__":
    main()
