#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Push the current generation of a VNFS to its running nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: livesync
short_description: Push the current generation of a VNFS to its running nodes
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - Runs on the master. Makes the root file system of running nodes what a reboot would make of it.
  - A node that runs a generation of the store, whole, fetches what differs from it over HTTP, made once for all nodes,
    and puts it in place by itself. Any other is compared with the whole image, by rsync over ssh. The tree is the same
    afterwards.
  - The source is the published generation that nodes boot now, verified and mounted read-only where only this module
    sees it; never the editable tree.
  - A file is sent whole and renamed into its place at the end. What is in no image is deleted, except what O(skip)
    names and whatever is mounted on the node.
  - A node counts as done when a new ssh login works after the transfer. One that fails or hangs holds up none of the
    others; the module fails at the end if there was any.
attributes:
  check_mode:
    description: Asks each node what would change, and changes nothing.
    support: full
  diff_mode:
    description: Lists the paths that change on each node, in the form of C(rsync --itemize-changes).
    support: full
  idempotent:
    description: A node that is what it should be is not changed.
    support: full
  platform:
    description: The operating systems that the module runs on.
    support: full
    platforms: posix
requirements:
  - rsync and an ssh client on the master, rsync on the nodes; for deltas also curl, flock, tar, unshare and zstd
options:
  name:
    description: The VNFS.
    type: str
    required: true
  nodes:
    description: The nodes' names. Without any, every node of the VNFS that is up.
    type: list
    elements: str
    default: []
  skip:
    description:
      - Patterns of paths that are the node's own, in the grammar of C(docs/vnfs.md). They are neither sent nor deleted.
      - Below a pattern that ends in C(/**) folders are made nevertheless, so that a new service finds the one for its
        log.
      - Those of the option C(livesync_skip) of the VNFS are added.
      - C(/dev), C(/proc), C(/run), C(/sys), C(/tmp) and mount points are never touched.
    type: list
    elements: str
    default:
      - /etc/machine-id
      - /etc/ssh/ssh_host_*
      - /var/lib/dbus/machine-id
      - /var/lib/systemd/linger
      - /var/lib/systemd/random-seed
      - /var/lib/systemd/timers/**
      - /var/log/journal
      - /var/log/**
      - /var/tmp/**
  method:
    description:
      - How nodes get there. By V(delta) those fail that do not run a generation of the store, whole. V(full) compares
        all files, and so also repairs what drifted. V(auto) is V(delta) where that does, and else V(full).
      - A delta changes what differs between the two generations, and leaves alone whatever else somebody changed on the
        node.
    type: str
    choices: [auto, delta, full]
    default: auto
  delete:
    description: Whether to delete what is not in the image.
    type: bool
    default: true
  forks:
    description: How many nodes to work on at a time.
    type: int
    default: 10
  timeout:
    description: How long the transfer to a node may take, in seconds.
    type: int
    default: 600
  config:
    description: The cluster's configuration.
    type: path
    default: /etc/perceus/cluster.json
seealso:
  - module: perceus.cluster.vnfs_image
"""

EXAMPLES = r"""
- name: Bring all running nodes of a VNFS to its current generation
  perceus.cluster.livesync:
    name: debian

- name: Try it on one node first
  perceus.cluster.livesync:
    name: debian
    nodes: [n101]

- name: Repair whatever was changed on the nodes
  perceus.cluster.livesync:
    name: debian
    method: full
"""

RETURN = r"""
generation:
  description: The generation that was pushed.
  returned: always
  type: str
  sample: 0123456789abcdef
nodes:
  description: What became of each node. What is not known of a node that failed is null.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The node.
      type: str
      sample: n101
    address:
      description: Its address.
      type: str
      sample: 10.17.5.101
    error:
      description: What went wrong; null when nothing did.
      type: str
      sample: null
    method:
      description: How it got there, V(delta) or V(full).
      type: str
      sample: full
    reason:
      description: Why a delta did not do; null when it did, or was not asked for.
      type: str
      sample: "it has drifted: 3 files"
    changes:
      description: How many paths were made, changed or deleted.
      type: int
      sample: 12
    bytes:
      description: How much was sent to it.
      type: int
      sample: 482133
    seconds:
      description: How long it took.
      type: float
      sample: 3.7
    needs_reboot:
      description:
        - Whether it runs another kernel than the generation's.
        - Null when that is not known, as the generation that it booted is not in the store any more.
      type: bool
      sample: false
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.push import AUTO, METHODS, Options
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.run import livesync
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns

SKIP = [
    "/etc/machine-id",
    "/etc/ssh/ssh_host_*",
    "/var/lib/dbus/machine-id",
    "/var/lib/systemd/linger",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/timers/**",
    "/var/log/journal",  # has access rights that systemd-tmpfiles gives it
    "/var/log/**",
    "/var/tmp/**",  # noqa: S108 - a pattern
]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "nodes": {"type": "list", "elements": "str", "default": []},
            "skip": {"type": "list", "elements": "str", "default": SKIP},
            "method": {"type": "str", "choices": list(METHODS), "default": AUTO},
            "delete": {"type": "bool", "default": True},
            "forks": {"type": "int", "default": 10},
            "timeout": {"type": "int", "default": 600},
            "config": {"type": "path", "default": "/etc/perceus/cluster.json"},
        },
        supports_check_mode=True,
    )
    params = dict(module.params)
    config, vnfs, names = Path(params.pop("config")), params.pop("name"), params.pop("nodes")
    try:
        skip = compile_patterns(params.pop("skip"))
        options = Options(skip=skip, **params, dry_run=module.check_mode)
        done = livesync(config, vnfs=vnfs, names=names, options=options, runner=CommandRunner())
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    nodes = done.as_dicts()
    if not nodes:
        module.warn(f"No node of VNFS {vnfs!r} is up: nothing was pushed")
    result = {"changed": done.changed, "generation": done.generation, "nodes": nodes}
    if module._diff:
        result["diff"] = done.as_diff()
    if done.failed:
        errors = "; ".join(f"{node['name']}: {node['error']}" for node in nodes if node["error"])
        module.fail_json(msg=f"Cannot livesync {len(done.failed)} of {len(nodes)} nodes: {errors}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
