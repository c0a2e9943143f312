# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live inventory of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: leases
short_description: The nodes of a cluster, the machines on its wire, and its VNFSs, live
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - Reads the registry, the DHCP server's lease file, the nodes' reports and what is known of other machines, on the
    master or by O(master) from another machine, and makes hosts of them.
  - Each node of the registry is a host by its registered name. A machine that holds a lease but is not registered is
    a host named after its MAC address, such as V(mac-525400123456), in the group C(unknown). Masked machines are left
    out.
  - Each VNFS that has a tree is a host C(NAME.vnfs) in the group C(vnfs_capsules), with the connection plugin
    P(perceus.cluster.vnfs#connection), so that any role can customise it. O(compose), O(groups) and O(keyed_groups) are
    about machines, and VNFSs have no part in them.
  - Names that DHCP clients give themselves never become hosts. Such a name is a host variable if it is a host name, and
    is dropped with a warning otherwise. No value is ever a template.
  - dnsmasq rewrites its lease file in place. The file is read again until it is whole, so hosts do not come and go.
    The lease files of ISC dhcpd and Kea are read as well, with those that Kea's cleanup leaves beside its own.
  - What cannot be read is an error and never an inventory with less in it, unless O(last_good) has what was read last.
  - The inventory source must be named C(perceus.yml) or C(perceus.yaml), or end in C(.perceus.yml) or
    C(.perceus.yaml).
notes:
  - "Groups: C(nodes), C(unknown), C(quarantine) for machines that wait for an operator, C(live) and C(expired) by
    lease, C(disabled), C(alarm_KIND) for machines that something is wrong with, C(group_GROUP), C(vnfs_VNFS),
    C(state_STAGE) by the last stage that a node reported, or C(timed_out) if it fell silent, C(drifted) and
    C(needs_reboot) by what it reported since.
    Characters that a group cannot have become C(_)."
  - "Host variables of nodes: C(ansible_host) and C(perceus_address), the reserved address with which a node boots;
    C(perceus_mac), C(perceus_group), C(perceus_vnfs), C(perceus_vnfs_origin) (V(node), V(group) or V(default)),
    C(perceus_vnfs_kernel_args), C(perceus_vnfs_kernel_args_origin) (V(node), V(group) or V(vnfs)),
    C(perceus_enabled); after a report C(perceus_state), the times C(perceus_reported) and C(perceus_heard), the latter
    also of heartbeats, and C(perceus_generation), which it runs;
    C(perceus_drifted) and C(perceus_needs_reboot), why it is in the group. And the variables that the registry has for
    the node."
  - "With a lease: C(perceus_lease_address), C(perceus_lease_expiry) in seconds since 1970 or V(0) for ever, and
    C(perceus_lease_name), the client's own word."
  - "Of unknown machines: C(perceus_first_seen), and what their firmware says of them: C(perceus_manufacturer),
    C(perceus_product), C(perceus_serial) and C(perceus_uuid). C(perceus_alarms) is a list of what is wrong."
  - "Host variables of VNFSs: C(perceus_vnfs); C(perceus_generation), the published one, if any; C(ansible_connection)
    and C(ansible_python_interpreter)."
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - perceus.cluster.master.files
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [perceus.cluster.leases]
  master:
    description:
      - Where the master is, if it is not this machine. All is read from there over one connection.
      - V(ssh://USER@HOST:PORT) logs in as C(ssh) does, with this user's keys, known hosts and C(~/.ssh/config), and
        never asks anything. User and port may be left out. The user on the master is to be root, for all that only root
        may read. A key may be restricted to this by C(command=) in C(authorized_keys).
      - V(https://HOST:PORT/PATH) fetches what the role P(perceus.cluster.inventory_server#role) serves, at most 15
        seconds old. The path is V(/inventory) by default. O(token) is needed.
    type: str
  token:
    description: The bearer token for https. Better set the environment variable, or encrypt it with Ansible Vault.
    type: str
    env:
      - name: PERCEUS_INVENTORY_TOKEN
  ca_file:
    description: Certificates of the authorities that are trusted for https. Default is what this machine trusts.
    type: path
  timeout:
    description: How many seconds to wait for O(master).
    type: int
    default: 30
  limit_nodes:
    description:
      - Only these nodes. Each entry is a node set, such as V(n101), V(n[101-137,140]), V(n1*), V(@gpu) for a group of
        the registry, or V(@gpu!n140). All but a plain name need the Python library ClusterShell.
      - Other hosts are not even read, or not added. Machines that are no nodes and VNFSs are left out.
      - A node set that means no node is an error.
    type: list
    elements: str
    default: []
  limit_groups:
    description:
      - Only hosts that are in one of these groups, which are names of this plugin's own groups or patterns, such as
        V(live) or V(state_*). O(groups) and O(keyed_groups) come later, and are made of what is left.
    type: list
    elements: str
    default: []
  last_good:
    description:
      - A file in which to keep what was read last, in one for each inventory source.
      - It is used, with a warning that says why and how old it is, when anything cannot be read. Without it that is an
        error.
    type: path
  store:
    description:
      - The VNFS store. Default is the one that O(config) names, C(/var/lib/perceus/vnfs).
      - Only root may look into it. For other users there are no VNFSs, with a warning.
    type: path
"""

EXAMPLES = r"""
# perceus.yml, on the master
plugin: perceus.cluster.leases

# perceus.yml, on a laptop or in AWX: by ssh
# plugin: perceus.cluster.leases
# master: ssh://root@master.example.org
# last_good: ~/.cache/perceus.json

# perceus.yml: by https, with the token in the environment variable PERCEUS_INVENTORY_TOKEN
# plugin: perceus.cluster.leases
# master: https://master.example.org
# ca_file: ~/site-ca.pem
# cache: true
# cache_plugin: ansible.builtin.jsonfile
# cache_connection: ~/.cache/perceus
# cache_timeout: 60

# perceus.yml: the nodes of one rack that are up
# plugin: perceus.cluster.leases
# limit_nodes: ["n[101-140]"]
# limit_groups: [live]

# perceus.yml: more groups and variables
# plugin: perceus.cluster.leases
# groups:
#   stuck: perceus_state | default('') in ['refused', 'retry', 'nomem']
# keyed_groups:
#   - prefix: generation
#     key: perceus_generation
#     default_value: none
"""

import contextlib
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.group import Group
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, to_safe_group_name
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.last_good import load_or_recall
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.limits import limit_snapshot
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.snapshot import (
    VNFS_GROUP,
    Snapshot,
    load_snapshot,
    parse_snapshot,
    render_snapshot,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import Machine
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.plugin_utils.constructed import BatchedConstructable, untrusted

FIXED_GROUPS = (
    *("nodes", "live", "expired", "unknown", "quarantine", "disabled", "timed_out"),
    *("drifted", "needs_reboot"),
    VNFS_GROUP,
)
WAY_IN = {"ansible_connection": "perceus.cluster.vnfs", "ansible_python_interpreter": "/usr/bin/python3"}
FILES = ("leases", "registry", "reports", "store")


class InventoryModule(BaseInventoryPlugin, BatchedConstructable, Cacheable):
    NAME = "perceus.cluster.leases"

    def verify_file(self, path: str) -> bool:
        """Claim no file but ours: each plugin that does makes Ansible load the user's other YAML once more."""
        name = Path(path).name
        ours = name in ("perceus.yml", "perceus.yaml") or name.endswith((".perceus.yml", ".perceus.yaml"))
        return bool(super().verify_file(path)) and ours

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self._groups: dict[str, Group] = {}
        try:
            snapshot = limit_snapshot(
                self._load_through_cache(self.get_cache_key(path), may_read=cache),
                nodes=self.get_option("limit_nodes"),
                groups=self.get_option("limit_groups"),
            )
        except PerceusError as error:
            raise AnsibleParserError(str(error)) from error
        for warning in snapshot.warnings:
            self.display.warning(warning)
        for group in FIXED_GROUPS:
            self.inventory.add_group(group)
        hosts = {machine.name: _host_variables(machine) for machine in snapshot.machines}
        for machine in snapshot.machines:
            self._add(machine.name, machine.groups, hosts[machine.name])
        self.construct(hosts)
        for host in snapshot.vnfs:
            self._add(host.name, [VNFS_GROUP], {**_facts(host.facts), **WAY_IN})

    def _load_through_cache(self, key: str, *, may_read: bool) -> Snapshot:
        """Return what the cache has, if the user wants one; ``may_read`` is false when it is to be refreshed."""
        if not self.get_option("cache"):
            return self._load()
        if may_read:
            with contextlib.suppress(
                KeyError, PerceusError
            ):  # nothing is there, or what is too old or another version's
                return parse_snapshot(self._cache[key], source="the cache")
        snapshot = self._load()
        if not snapshot.is_recalled:
            self._cache[key] = render_snapshot(snapshot)
        return snapshot

    def _load(self) -> Snapshot:
        last_good = self._path("last_good")
        return load_or_recall(self._load_now, last_good) if last_good else self._load_now()

    def _load_now(self) -> Snapshot:
        files = {name: path for name in FILES if (path := self._path(name))}
        master = self.get_option("master")
        if not master:
            is_kept = self.get_option("cache") or self.get_option("last_good")
            nodes = () if is_kept else self.get_option("limit_nodes")
            return load_snapshot(Path(self.get_option("config")), **files, nodes=nodes)
        if files:
            raise PerceusError(f"Cannot use the option {next(iter(files))!r}: with 'master', the master's files count")
        # On demand: what speaks TLS takes as long to load as hundreds of nodes.
        remote = importlib.import_module("ansible_collections.perceus.cluster.plugins.plugin_utils.remote_master")
        snapshot: Snapshot = remote.load_remote_snapshot(
            master,
            token=str(self.get_option("token") or ""),
            ca_file=self._path("ca_file"),
            timeout=self.get_option("timeout"),
            runner=CommandRunner(),
        )
        return snapshot

    def _path(self, option: str) -> Path | None:
        value = self.get_option(option)
        return Path(value) if value else None

    def _add(self, name: str, groups: Iterable[str], variables: Mapping[str, Any]) -> None:
        """Add a host. Its variables go in at once: each alone takes most of the time, to be checked as these were."""
        self.inventory.add_host(name)
        host = self.inventory.hosts[name]
        host.vars.update(variables)
        for group in groups:
            if group not in self._groups:
                self._groups[group] = self.inventory.groups[self.inventory.add_group(to_safe_group_name(group))]
            self._groups[group].add_host(host)


def _host_variables(machine: Machine) -> dict[str, Any]:
    variables = _facts(machine.facts)
    if "perceus_address" in variables:
        variables["ansible_host"] = variables["perceus_address"]
    for variable, value in machine.variables.items():
        variables[variable] = untrusted(value)
    return variables


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are known, none of them ever a template."""
    return {f"perceus_{fact}": untrusted(value) for fact, value in facts.items() if value is not None}
