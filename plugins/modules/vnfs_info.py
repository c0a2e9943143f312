#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs_info
short_description: What the master knows of its VNFSs
version_added: 0.1.0
description:
  - Reads the VNFS store, and the registry and the nodes' reports where the host is the master of a cluster.
  - What cannot be read is said as a warning and in RV(vnfs[].faults), and hides nothing else.
  - Changes nothing.
options:
  name:
    description: The VNFS. Without it, all are described.
    type: str
  gather:
    description:
      - What to tell beside what is read at once.
      - V(sizes) are the largest packages and paths, and the limits that the image crosses.
      - V(packages) are all installed packages.
      - V(hybridize) is what each pattern of that option would save, found by compressing the files of the tree that it
        matches by themselves. It takes about as long as publishing them.
    type: list
    elements: str
    choices: [sizes, packages, hybridize]
    default: []
  count:
    description: How many of the largest packages and paths to tell.
    type: int
    default: 20
attributes:
  check_mode:
    support: full
    description: Reads only, so that it does the same in check mode.
  diff_mode:
    support: N/A
    description: Changes nothing, so that there is nothing to show.
  idempotent:
    support: full
    description: Changes nothing.
extends_documentation_fragment:
  - perceus.cluster.master.files
  - perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs
  - module: perceus.cluster.vnfs_diff
  - module: perceus.cluster.vnfs_sbom
  - module: perceus.cluster.node_info
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read what there is
  perceus.cluster.vnfs_info:
  register: store

- name: Require that every VNFS is published
  ansible.builtin.assert:
    that: store.vnfs | selectattr('current', 'none') | length == 0

- name: Find out what makes an image large
  perceus.cluster.vnfs_info:
    name: debian
    gather: [sizes, hybridize]
"""

RETURN = r"""
vnfs:
  description: The VNFSs, by name. What is not known is null. All sizes are in bytes.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The name.
      type: str
      sample: debian
    source:
      description: What the tree comes from.
      type: str
      sample: mmdebstrap
    recipe:
      description: What the tree is made from, without the hash of root's password.
      type: dict
      sample: {source: {type: mmdebstrap, suite: bookworm}, packages: [sudo]}
    options:
      description: The value of each option, and its origin. V(vnfs) is this VNFS's own, V(default) what all have.
      type: dict
      sample: {keep: {value: 3, origin: default}}
    tree:
      description: Whether there is a tree.
      type: bool
      sample: true
    mounted:
      description: Who works in the tree and since when, by M(perceus.cluster.vnfs_mount).
      type: dict
      sample: {who: alice, since: "2030-01-01T00:00:00Z"}
    current:
      description: The generation that is served.
      type: str
      sample: 0123456789abcdef
    created:
      description: When that was published first.
      type: str
      sample: "2030-01-01T00:00:00Z"
    kernel_release:
      description: The kernel of that generation.
      type: str
      sample: 6.1.0-40-amd64
    image_size:
      description: The size of its root file system, which is what a node keeps in memory.
      type: int
      sample: 152043520
    memory_floor:
      description:
        - The least memory with which a node can boot it, for kernel, unpacked initramfs, root file system and what the
          first stage asks for beside it.
      type: int
      sample: 284300000
    generations:
      description: The published generations, oldest first.
      type: list
      elements: dict
      contains:
        generation:
          description: Its id.
          type: str
          sample: 0123456789abcdef
        current:
          description: Whether it is the one that is served.
          type: bool
          sample: true
        created:
          description: When it was published first.
          type: str
          sample: "2030-01-01T00:00:00Z"
        kernel_release:
          description: Its kernel.
          type: str
          sample: 6.1.0-40-amd64
        kernel_args:
          description: Its kernel arguments.
          type: str
          sample: quiet
        image_size:
          description: The size of the root file system, compressed.
          type: int
          sample: 152043520
        initramfs_size:
          description: The size of the initramfs.
          type: int
          sample: 1310720
        tree_size:
          description: The bytes in the files of the tree.
          type: int
          sample: 381681664
        tree_files:
          description: The number of files, folders included.
          type: int
          sample: 14210
        nodes:
          description: The nodes that run it, by their last report.
          type: list
          elements: str
          sample: [n101]
    nodes:
      description: The nodes that are to boot this VNFS, with the generation and the stage that each last reported.
      type: list
      elements: dict
      sample: [{name: n101, generation: 0123456789abcdef, state: ready}]
    sizes:
      description: What makes the image large, of the generation that is served, else of the tree.
      type: dict
      returned: when O(gather) has V(sizes)
      contains:
        of:
          description: What was looked at, a generation or V(tree).
          type: str
          sample: 0123456789abcdef
        tree_size:
          description: The bytes in all files.
          type: int
          sample: 381681664
        packages:
          description: The largest packages, by what each says of itself.
          type: list
          elements: dict
          sample: [{name: linux-image-6.1.0-40-amd64, size: 396000000, files: 1}]
        paths:
          description: The largest folders, with all that is below them, and files.
          type: list
          elements: dict
          sample: [{name: /usr/lib, size: 201000000, files: 6200}]
        limits:
          description: The limits that an image may cross, and whether this one does.
          type: list
          elements: dict
          sample:
            - subject: memory
              value: 220463104
              limit: 268435456
              meaning: nodes with 256 MiB of memory cannot boot it
              crossed: false
    packages:
      description: The installed packages, as in C(packages.json).
      type: list
      elements: dict
      returned: when O(gather) has V(packages)
      sample: [{name: openssl, version: 3.0.17-1~deb12u1, arch: amd64, size: 2310144}]
    hybridize:
      description: What each pattern of the option matches, and how much less memory nodes would need without it.
      type: list
      elements: dict
      returned: when O(gather) has V(hybridize) and the option is set
      sample: [{pattern: /usr/share/doc, files: 812, size: 9110400, ram: 2109440}]
    faults:
      description: Reasons why something is not known.
      type: list
      elements: str
      sample: []
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.info import (
    GATHERED,
    Wanted,
    describe_vnfs,
    find_vnfs,
    load_nodes,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE

ARGUMENTS = {
    "name": {"type": "str"},
    "gather": {"type": "list", "elements": "str", "choices": list(GATHERED), "default": []},
    "count": {"type": "int", "default": 20},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
    "leases": {"type": "path"},
    "registry": {"type": "path"},
    "reports": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    files = {name: Path(options[name]) for name in ("config", "leases", "registry", "reports") if options[name]}
    wanted = Wanted(options["gather"], options["count"])
    try:
        nodes = load_nodes(files.pop("config"), **files)
        found = [
            describe_vnfs(vnfs, nodes, wanted, runner=CommandRunner()) for vnfs in find_vnfs(STORE, options["name"])
        ]
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    for described in found:
        for fault in described["faults"]:
            module.warn(fault)
    module.exit_json(changed=False, vnfs=found)


if __name__ == "__main__":
    main()
