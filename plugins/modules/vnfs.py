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
  - Makes the tree of a VNFS on the master, with all that a node of the cluster needs to boot from RAM, and keeps its
    options.
  - The tree, C(/var/lib/perceus/vnfs/NAME/rootfs), is yours to edit, best with M(perceus.cluster.vnfs_command).
    Nodes get it after M(perceus.cluster.vnfs_image) has published it.
  - A tree is built beside the old one and swapped in when it is complete. A build that fails or is killed changes
    nothing.
  - An option that is not given stays as it is in an existing VNFS, and has its default in a new one.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  kernel_package:
    description:
      - The package that brings the nodes' kernel, by default what the distribution takes, V(linux-image-amd64),
        V(linux-generic) or V(kernel). For O(archive), O(folder), O(clone) and O(node) it is none.
      - V(linux-image-cloud-amd64) is enough for virtual machines. An empty one is for a tree that has its kernel.
    type: str
  base_packages:
    description:
      - Packages that every node needs, by default what the distribution calls them.
      - For O(archive), O(folder), O(clone) and O(node) they are none.
    type: list
    elements: str
  packages:
    description:
      - Packages beside those that every node needs.
      - One that is added later is installed into the existing tree. One that leaves the list stays installed until the
        VNFS is rebuilt.
    type: list
    elements: str
  authorized_keys:
    description: Public ssh keys that may log in to nodes as root, as lines of an authorized_keys file.
    type: list
    elements: str
  root_password_hash:
    description:
      - The hash of root's password, as in C(/etc/shadow).
      - Without it, or with an empty one, root has no password and can log in by key only.
      - The hash is in the image, which whoever reaches the master's web server can read.
    type: str
  includes:
    description:
      - Files of the master to copy into the tree. A file that changed since is copied again by O(state=present).
      - A file that holds a secret, such as a private key, is refused.
    type: list
    elements: dict
    suboptions:
      src:
        description: The file on the master.
        type: str
        required: true
      dest:
        description: Its name in the tree. Folders above it are made.
        type: str
        required: true
      owner:
        description: The user of the tree who owns it.
        type: str
        default: root
      group:
        description: The group of the tree that owns it.
        type: str
        default: root
      mode:
        description: Its permissions, as octal digits.
        type: str
        default: "0644"
  source_date_epoch:
    description:
      - The time, in seconds since 1970, that no file of the tree is younger than.
      - With it two builds from the same packages make the same generation, byte for byte.
      - The environment variable E(SOURCE_DATE_EPOCH) is taken where it is not given.
    type: int
  state:
    description:
      - V(present) builds the VNFS if it is not there, and brings packages, keys, password and options of an existing
        one up to date.
      - V(rebuilt) builds it again from nothing in any case. What was changed in the tree is lost, published images
        stay.
      - V(absent) removes tree and images.
      - V(renamed) gives it O(new_name), its images included. One that anything is to boot is not renamed, as nodes know
        it by name; have them boot a clone of it instead.
    type: str
    choices: [present, rebuilt, absent, renamed]
    default: present
  new_name:
    description: The new name. Required if O(state=renamed).
    type: str
  force:
    description: Remove the VNFS though nodes, groups or the cluster's default are to boot it.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows the change of the recipe, or of the name.
  idempotent:
    support: partial
    description: O(state=rebuilt) always builds.
    details: All else is idempotent.
extends_documentation_fragment:
  - perceus.cluster.master.config
  - perceus.cluster.master.store
  - perceus.cluster.vnfs_sources
  - perceus.cluster.vnfs_options
seealso:
  - module: perceus.cluster.vnfs_mount
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
    mmdebstrap:
      suite: trixie
    kernel_package: linux-image-cloud-amd64

- name: Build a VNFS that is installed on the only disk of its nodes, and on two disks of login nodes
  perceus.cluster.vnfs:
    name: stateful
    packages: [dosfstools, e2fsprogs, xfsprogs, mdadm, grub2-common, grub-pc-bin, grub-efi-amd64-bin]
    root_mode: disk
    disk:
      root: 20480
      swap: 4096
      data: /srv
    overrides:
      groups:
        login:
          disk:
            disks: [serial=ABC1, serial=ABC2]

- name: Build a VNFS of Ubuntu on a master that runs Debian and has the package ubuntu-keyring
  perceus.cluster.vnfs:
    name: ubuntu
    mmdebstrap:
      distribution: ubuntu
      suite: noble
      mirror: http://mirror.example.org/ubuntu

- name: Build a VNFS of the Enterprise Linux family
  perceus.cluster.vnfs:
    name: alma
    dnf:
      release: "9"
      repositories:
        - name: baseos
          baseurl: https://mirror.example.org/almalinux/$releasever/BaseOS/$basearch/os/
          gpgkey: https://mirror.example.org/almalinux/RPM-GPG-KEY-AlmaLinux-9
        - name: appstream
          baseurl: https://mirror.example.org/almalinux/$releasever/AppStream/$basearch/os/
          gpgkey: https://mirror.example.org/almalinux/RPM-GPG-KEY-AlmaLinux-9
        - name: epel
          baseurl: https://mirror.example.org/epel/$releasever/Everything/$basearch/
          gpgkey: https://mirror.example.org/epel/RPM-GPG-KEY-EPEL-9

- name: Make a VNFS of a container image
  perceus.cluster.vnfs:
    name: container
    oci:
      image: docker://registry.example.org/debian:bookworm
      digest: sha256:{{ debian_bookworm_digest }}

- name: Make a VNFS of a tar archive
  perceus.cluster.vnfs:
    name: legacy
    archive:
      file: /srv/legacy.tar.zst
      checksum: sha256:{{ lookup('ansible.builtin.file', 'legacy.tar.zst.sha256') | split | first }}

- name: Make a VNFS of a folder
  perceus.cluster.vnfs:
    name: legacy
    folder:
      root: /srv/legacy

- name: Clone a VNFS to try something out
  perceus.cluster.vnfs:
    name: debian-test
    clone:
      vnfs: debian

- name: Make a VNFS of a node that was set up by hand
  perceus.cluster.vnfs:
    name: golden
    node:
      host: n101
      exclude: [/home/**, /var/cache/**]

- name: Change how its image is made
  perceus.cluster.vnfs:
    name: trixie
    compression: small
    kernel_args: mitigations=auto,nosmt

- name: Have the nodes of a group, and one of them, boot with other kernel arguments
  perceus.cluster.vnfs:
    name: debian
    overrides:
      groups:
        gpu: {kernel_args: "nomodeset", livesync_skip: [/var/lib/gpu]}
      nodes:
        n101: {kernel_args: "nomodeset debug"}

- name: Start again from nothing
  perceus.cluster.vnfs:
    name: debian
    state: rebuilt

- name: Rename a VNFS that nothing boots
  perceus.cluster.vnfs:
    name: debian-test
    state: renamed
    new_name: debian-12
"""

RETURN = r"""
vnfs:
  description: The name, of a VNFS that was renamed the new one.
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
    - One of V(build), V(rebuild), V(update), V(remove), V(rename), V(none).
  type: str
  returned: success
  sample: build
phases:
  description: How long each part took, in seconds.
  type: dict
  returned: success
  sample: {bootstrap: 31.5, configure: 1.4}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import ROOT_MODES
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build import renaming
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.build import (
    apply_plan,
    load_current,
    want_recipe,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.includes import Include
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.usage import require_free
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.fields import describe_arguments
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import COMPRESSION_LEVELS
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import Plan, plan_vnfs
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources import SOURCES
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, Vnfs, held, vnfs_in

NOT_KEPT = ("name", "state", "new_name", "force", "config")
STRINGS = {"type": "list", "elements": "str"}
INCLUDE = describe_arguments(Include, required=True)
del INCLUDE["sha256"]
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    **{name: {"type": "dict", "options": describe_arguments(source)} for name, source in SOURCES.items()},
    "kernel_package": {"type": "str"},
    "base_packages": STRINGS,
    "packages": STRINGS,
    "authorized_keys": {**STRINGS, "no_log": False},
    "root_password_hash": {"type": "str", "no_log": True},
    "includes": {"type": "list", "elements": "dict", "options": INCLUDE},
    "source_date_epoch": {"type": "int", "fallback": (env_fallback, ["SOURCE_DATE_EPOCH"])},
    "kernel": {"type": "str"},
    "kernel_args": {"type": "str"},
    "compression": {"type": "str", "choices": list(COMPRESSION_LEVELS)},
    "root_mode": {"type": "str", "choices": list(ROOT_MODES)},
    "hybridize": STRINGS,
    "exclude": STRINGS,
    "livesync_skip": STRINGS,
    "allow_secrets": {**STRINGS, "no_log": False},
    "signing_key": {"type": "str", "no_log": False},
    "keep": {"type": "int", "no_log": False},
    "disk": {"type": "dict"},
    "overrides": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "rebuilt", "absent", "renamed"], "default": "present"},
    "new_name": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
}


def rename(module: AnsibleModule, vnfs: Vnfs) -> dict[str, Any]:
    target, writing = vnfs_in(STORE, module.params["new_name"]), not module.check_mode
    if target == vnfs:
        raise PerceusError(f"Cannot rename VNFS {vnfs.name!r}: it has that name already", hint="Give another one")
    first, second = sorted((vnfs, target), key=lambda one: one.name)
    with held(first, writing=writing), held(second, writing=writing):
        plan = renaming.plan_rename(vnfs, target, config=Path(module.params["config"]))
        if writing:
            renaming.apply_rename(plan, runner=CommandRunner())
    return {"vnfs": target.name, "rootfs": str(target.rootfs), **describe(plan), "phases": {}}


def make(module: AnsibleModule, vnfs: Vnfs) -> dict[str, Any]:
    params, state, phases = module.params, module.params["state"], Phases()
    with held(vnfs, writing=not module.check_mode):
        current = load_current(vnfs)
        wanted = None if state == "absent" else want_recipe(take_recipe(params), current=current)
        plan = plan_vnfs(vnfs.name, current, wanted, from_scratch=state == "rebuilt")
        require_free(vnfs, plan.action, config=Path(params["config"]), force=params["force"])
        for warning in plan.warnings:
            module.warn(warning)
        if not module.check_mode:
            phases = apply_plan(plan, vnfs, runner=CommandRunner())
    return {"vnfs": vnfs.name, "rootfs": str(vnfs.rootfs), **describe(plan), "phases": phases.seconds}


def take_recipe(params: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are part of ``vnfs.yml``."""
    return {key: value for key, value in params.items() if key not in NOT_KEPT}


def describe(plan: Plan | renaming.RenamePlan) -> dict[str, Any]:
    return {"changed": plan.changed, "action": plan.action, "diff": plan.as_diff()}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[list(SOURCES)],
        required_if=[("state", "renamed", ["new_name"])],
        supports_check_mode=True,
    )
    try:
        vnfs = vnfs_in(STORE, module.params["name"])
        result = (rename if module.params["state"] == "renamed" else make)(module, vnfs)
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
