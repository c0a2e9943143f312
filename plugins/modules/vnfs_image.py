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
  - A generation that a node runs, by its last report, is never removed.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  state:
    description:
      - V(published) publishes the tree.
      - V(rolled_back) serves an earlier generation again, if it is as it was published. The tree stays as it is.
      - V(pruned) removes old generations.
    type: str
    choices: [published, rolled_back, pruned]
    default: published
  generation:
    description: Where to roll back to. By default the generation that was published before the served one.
    type: str
  keep:
    description:
      - How many generations pruning leaves, the served one included. By default what M(perceus.cluster.vnfs) has kept
        in the VNFS.
    type: int
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description:
      - Shows each file that differs between the served generation and the tree, or which generation is served, or which
        there are.
  idempotent:
    support: partial
    description: O(state=rolled_back) without O(generation) goes back by one more each time.
    details: All else is idempotent; an unchanged tree is not published again.
extends_documentation_fragment:
  - perceus.cluster.master.config
  - perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs_mount
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

- name: Go back to what nodes booted before
  perceus.cluster.vnfs_image:
    name: debian
    state: rolled_back

- name: Leave two generations, and those that nodes run
  perceus.cluster.vnfs_image:
    name: debian
    state: pruned
    keep: 2
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
  returned: success, if there is one
  sample: 0123456789abcdef
action:
  description: What was done, or would be done in check mode. One of V(publish), V(flip),
    V(prune), V(none).
  type: str
  returned: success
  sample: publish
kernel_release:
  description: The kernel that nodes will run.
  type: str
  returned: when O(state=published)
  sample: 6.1.0-40-amd64
tree_size:
  description: Bytes in the files of the image, before compression.
  type: int
  returned: when O(state=published)
  sample: 381681664
tree_files:
  description: The number of files in the image, folders included.
  type: int
  returned: when O(state=published)
  sample: 14210
excluded:
  description: What each pattern of the option C(exclude) keeps out of the image.
  type: list
  elements: dict
  returned: when O(state=published)
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
  returned: when O(state=published)
  sample: [etc/machine-id, etc/ssh/ssh_host_ed25519_key]
allowed_secrets:
  description: Secrets that are in the image because the option C(allow_secrets) names them.
  type: list
  elements: dict
  returned: when O(state=published)
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
  returned: when O(state=published) or O(state=pruned)
  sample: [fedcba9876543210]
kept:
  description: Generations that would have been removed, but for the nodes that run them.
  type: dict
  returned: when O(state=published) or O(state=pruned)
  sample: {00112233aabbccdd: [n101, n102]}
phases:
  description: How long each part took, in seconds.
  type: dict
  returned: when O(state=published)
  sample: {initramfs: 6.1, squashfs: 3.4, describe: 0.4}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.build import load_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.usage import load_running
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.publishing import publish_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.retention import apply_retention, plan_prune
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.rollback import (
    apply_rollback,
    plan_rollback,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, Vnfs, held, vnfs_in

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["published", "rolled_back", "pruned"], "default": "published"},
    "generation": {"type": "str"},
    "keep": {"type": "int", "no_log": False},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
}


def publish(module: AnsibleModule, vnfs: Vnfs) -> dict[str, Any]:
    config = Path(module.params["config"])
    result, warnings = publish_tree(vnfs, config=config, runner=CommandRunner(), check=module.check_mode)
    for warning in warnings:
        module.warn(warning)
    return result


def roll_back(module: AnsibleModule, vnfs: Vnfs) -> dict[str, Any]:
    plan = plan_rollback(vnfs, module.params["generation"])
    if not module.check_mode:
        apply_rollback(plan, vnfs)
    return {"changed": plan.changed, "generation": plan.generation, "action": plan.action, "diff": plan.as_diff()}


def prune(module: AnsibleModule, vnfs: Vnfs) -> dict[str, Any]:
    keep, running = module.params["keep"], load_running(Path(module.params["config"]))
    plan = plan_prune(vnfs, keep=load_tree(vnfs).options.keep if keep is None else keep, running=running)
    if not module.check_mode:
        apply_retention(plan, vnfs)
    return {"generation": plan.current, **plan.as_result(), "diff": plan.as_diff()}


STATES = {"published": publish, "rolled_back": roll_back, "pruned": prune}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        vnfs = vnfs_in(STORE, module.params["name"])
        with held(vnfs, writing=not module.check_mode):
            result = STATES[module.params["state"]](module, vnfs)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(vnfs=vnfs.name, **result)


if __name__ == "__main__":
    main()
