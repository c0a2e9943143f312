#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs_mount
short_description: Take a VNFS to work in its tree, and hand it back
version_added: 0.1.0
description:
  - While you have a VNFS mounted, nobody else publishes, rebuilds, replaces, renames or removes it, or throws away its
    changes. Commands, shells and roles of everybody go on working in it.
  - Nothing is mounted on the master for it, so that nothing can be left mounted.
  - Who you are is the user who runs the module, or who called sudo for that.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  state:
    description:
      - V(mounted) takes the VNFS.
      - V(unmounted) publishes the tree and hands the VNFS back, if it is mounted.
      - V(closed) throws away what was changed in the tree since it was published, be it mounted or not, and hands the
        VNFS back. What no image holds, such as logs and excluded files, is thrown away with it. Options stay.
      - A tree in which a process works, or something is mounted, is neither unmounted nor closed.
    type: str
    choices: [mounted, unmounted, closed]
    default: mounted
  publish:
    description: Whether unmounting publishes.
    type: bool
    default: true
  force:
    description: Do it also when somebody else has the VNFS mounted.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows who has the VNFS, what publishing changes file by file, or what closing throws away.
  idempotent:
    support: full
    description: Only the first time anything is done.
extends_documentation_fragment:
  - perceus.cluster.master.config
  - perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs_image
  - module: perceus.cluster.vnfs_command
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Take a VNFS
  perceus.cluster.vnfs_mount:
    name: debian

- name: Publish what was changed and hand it back
  perceus.cluster.vnfs_mount:
    name: debian
    state: unmounted

- name: See what closing would throw away
  perceus.cluster.vnfs_mount:
    name: debian
    state: closed
  check_mode: true
  diff: true
"""

RETURN = r"""
vnfs:
  description: The name.
  type: str
  returned: success
  sample: debian
action:
  description:
    - What was done, or would be done in check mode. One of V(mount), V(unmount), V(close), V(none).
    - V(none) of O(state=closed) is for a tree without changes.
  type: str
  returned: success
  sample: mount
mounted:
  description: Who has the VNFS, and since when. Null when nobody has.
  type: dict
  returned: success
  sample: {who: alice, since: "2030-01-01T00:00:00Z"}
shell:
  description: The command that opens a shell in the tree.
  type: str
  returned: when O(state=mounted)
  sample: vnfs-shell debian
image:
  description: What M(perceus.cluster.vnfs_image) returns of the tree that was published.
  type: dict
  returned: when something was published, or would be
  sample: {action: publish, generation: 0123456789abcdef}
generation:
  description: The generation to which the tree went back.
  type: str
  returned: when O(state=closed)
  sample: 0123456789abcdef
lost:
  description: What was thrown away, as M(perceus.cluster.vnfs_diff) returns it.
  type: dict
  returned: when O(state=closed)
  sample: {counts: {files: {content: 2}, packages: {}}}
phases:
  description: How long each part took, in seconds.
  type: dict
  returned: when O(state=closed)
  sample: {unpack: 2.1, verify: 0.9}
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.build import load_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.publishing import publish_tree
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, Vnfs, held, vnfs_in
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.work.closing import apply_close, plan_close
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.work.session import (
    apply_mount,
    apply_unmount,
    plan_mount,
    plan_unmount,
)

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["mounted", "unmounted", "closed"], "default": "mounted"},
    "publish": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
}


def mount(module: AnsibleModule, vnfs: Vnfs) -> dict[str, Any]:
    plan = plan_mount(vnfs, force=module.params["force"])
    if not module.check_mode:
        apply_mount(plan, vnfs)
    shown = {"changed": plan.changed, "action": plan.action, "diff": plan.as_diff()}
    return {**shown, "mounted": asdict(plan.session), "shell": f"vnfs-shell {vnfs.name}"}


def unmount(module: AnsibleModule, vnfs: Vnfs) -> dict[str, Any]:
    params, check = module.params, module.check_mode
    plan = plan_unmount(vnfs, force=params["force"])
    diff = [plan.as_diff()]
    result: dict[str, Any] = {"changed": plan.changed, "action": plan.action, "diff": diff, "mounted": None}
    if plan.changed and params["publish"]:
        image, warnings = publish_tree(
            vnfs, config=Path(params["config"]), runner=CommandRunner(), check=check, force=params["force"]
        )
        for warning in warnings:
            module.warn(warning)
        diff.append(image.pop("diff"))
        result["image"] = image
    if not check:
        apply_unmount(plan, vnfs)
    return result


def close(module: AnsibleModule, vnfs: Vnfs) -> dict[str, Any]:
    runner, phases = CommandRunner(), Phases(None if module.check_mode else vnfs.progress)
    plan = plan_close(vnfs, load_tree(vnfs), force=module.params["force"], runner=runner, phases=phases)
    if not module.check_mode:
        apply_close(plan, vnfs, runner=runner, phases=phases)
    shown = {"changed": plan.changed, "action": plan.action, "diff": plan.as_diff(), "mounted": None}
    return {**shown, "generation": plan.generation, "lost": plan.lost.as_dict(), "phases": phases.seconds}


STATES = {"mounted": mount, "unmounted": unmount, "closed": close}


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
