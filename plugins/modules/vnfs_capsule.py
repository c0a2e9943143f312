#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs_capsule
short_description: Export a VNFS into a file or an OCI image, and import it
version_added: 0.1.0
description:
  - A capsule is one file that holds a VNFS, as a backup or for another master. It has the tree as an image of it would
    be, with owners, modes, capabilities, access control lists, extended attributes, hard links and holes.
  - What publishing leaves out is in no capsule, and what it refuses is not exported. The capsule's recipe has neither
    the hash of root's password nor the ssh keys that may log in; the tree has both, if they were asked for.
  - A capsule is looked at from end to end before anything of it is unpacked, unpacked where it can reach no file of the
    master, and compared with its manifest file by file. Only then it becomes the VNFS.
  - An export or import that fails or is killed changes nothing.
options:
  name:
    description: The VNFS to export, or the name for what is imported.
    type: str
    required: true
  state:
    description:
      - V(exported) writes C(NAME-GENERATION.vnfs) and its checksum, C(NAME-GENERATION.vnfs.sha256), into O(folder),
        unless they are there. With O(format=oci) it is the folder C(NAME-GENERATION.oci).
      - V(imported) makes the VNFS from O(source), unless it was made from the same capsule.
    type: str
    choices: [exported, imported]
    required: true
  folder:
    description: Where to export to. It is made for root only if it is not there, as capsules are.
    type: path
    default: /var/lib/perceus/capsules
  generation:
    description: The published generation to export. By default the tree is exported as it is now.
    type: str
  format:
    description:
      - V(vnfs) is a capsule.
      - V(oci) is a layout with one OCI image, tagged with the generation. It takes more room and time.
        M(perceus.cluster.vnfs) can build a VNFS from it.
    type: str
    choices: [vnfs, oci]
    default: vnfs
  push:
    description:
      - Where to copy the OCI image to, in the words of skopeo, C(docker://REGISTRY/NAME:TAG) or C(oci:/LAYOUT:TAG).
      - Log in to the registry beforehand, as root, with C(skopeo login).
    type: str
  source:
    description: The capsule to import, a file on the master. Required if O(state=imported).
    type: path
  checksum:
    description: The SHA-256 that the capsule must have, as C(sha256:) and hexadecimal digits.
    type: str
  unverified:
    description:
      - Import a capsule for which O(checksum) is not known.
      - The module warns of it, and C(vnfs.yml) remembers it together with the checksum that was found.
    type: bool
    default: false
  devices:
    description: Whether the capsule may have device nodes. The content of C(/dev) never is in a capsule.
    type: bool
    default: false
  force:
    description: Import even if there is a VNFS of this name. Its tree is lost, its published images stay.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Nothing is written. A capsule to import is looked at from end to end.
  diff_mode:
    support: full
    description: Shows what is made, or how C(vnfs.yml) changes.
  idempotent:
    support: full
    description: An unchanged VNFS is exported once, a capsule imported once, unless O(force=true).
extends_documentation_fragment: perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs
  - module: perceus.cluster.vnfs_image
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Export the tree as it is now
  perceus.cluster.vnfs_capsule:
    name: debian
    state: exported
    folder: /srv/capsules
  register: capsule

- name: Import it under another name
  perceus.cluster.vnfs_capsule:
    name: copy
    state: imported
    source: "{{ capsule.capsule }}"
    checksum: "{{ capsule.checksum }}"

- name: Push what nodes run to a registry
  perceus.cluster.vnfs_capsule:
    name: debian
    state: exported
    generation: 0123456789abcdef
    format: oci
    push: docker://registry.example.com/compute/debian:0123456789abcdef
"""

RETURN = r"""
vnfs:
  description: The name.
  type: str
  returned: success
  sample: debian
generation:
  description: What publishing the tree in the capsule gives.
  type: str
  returned: when a capsule was read or written, or would be
  sample: 0123456789abcdef
action:
  description: What was done, or would be done in check mode. One of V(export), V(push), V(import), V(replace),
    V(none).
  type: str
  returned: success
  sample: export
capsule:
  description: The file, or the folder of an OCI layout.
  type: str
  returned: success
  sample: /var/lib/perceus/capsules/debian-0123456789abcdef.vnfs
checksum:
  description:
    - The SHA-256 of the file, or the digest of the OCI image. In check mode, only of what is there.
  type: str
  returned: success
  sample: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
phases:
  description: How long each part took, in seconds.
  type: dict
  returned: success
  sample: {pack: 3.1, checksum: 0.3}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.archive import open_archive
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.exporting import (
    CAPSULES,
    SUFFIXES,
    apply_export,
    plan_export,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.importing import apply_import, plan_import
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.capsule import Capsule
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, Vnfs, held, vnfs_in

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["exported", "imported"], "required": True},
    "folder": {"type": "path", "default": str(CAPSULES)},
    "generation": {"type": "str"},
    "format": {"type": "str", "choices": list(SUFFIXES), "default": "vnfs"},
    "push": {"type": "str"},
    "source": {"type": "path"},
    "checksum": {"type": "str"},
    "unverified": {"type": "bool", "default": False},
    "devices": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
}


def export_vnfs(module: AnsibleModule, vnfs: Vnfs, phases: Phases) -> dict[str, Any]:
    params = module.params
    runner = CommandRunner()
    options = {"form": params["format"], "generation": params["generation"], "push": params["push"]}
    with held(vnfs, writing=not module.check_mode):
        plan = plan_export(vnfs, folder=Path(params["folder"]), runner=runner, **options)
        checksum = plan.checksum
        if not module.check_mode:
            checksum = apply_export(plan, vnfs, runner=runner, phases=phases)
    return {
        "changed": plan.changed,
        "action": plan.action,
        "diff": plan.as_diff(),
        "generation": plan.generation,
        "capsule": str(plan.target),
        "checksum": checksum,
    }


def import_vnfs(module: AnsibleModule, vnfs: Vnfs, phases: Phases) -> dict[str, Any]:
    params = module.params
    checksum, unverified = params["checksum"], params["unverified"] and not params["checksum"]
    source = Capsule(params["source"], checksum, unverified, params["devices"])
    with open_archive(Path(source.file)) as archive, held(vnfs, writing=not module.check_mode):
        plan = plan_import(vnfs, archive, source, force=params["force"], phases=phases)
        if not module.check_mode:
            apply_import(plan, vnfs, archive, phases=phases)
    if source.unverified:
        module.warn(f"Nobody vouched for {source.file}: it was imported unverified")
    return {
        "changed": plan.changed,
        "action": plan.action,
        "diff": plan.as_diff(),
        "capsule": source.file,
        "checksum": plan.checksum,
        **({"generation": plan.header.generation} if plan.header else {}),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("state", "imported", ["source"])],
    )
    try:
        vnfs = vnfs_in(STORE, module.params["name"])
        phases = Phases(None if module.check_mode else vnfs.progress)
        work = export_vnfs if module.params["state"] == "exported" else import_vnfs
        result = work(module, vnfs, phases)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(vnfs=vnfs.name, phases=phases.seconds, **result)


if __name__ == "__main__":
    main()
