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
  - Reads the registry, the DHCP server's lease file and the nodes' reports on the master, and makes hosts of them.
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
  - The inventory source must be named C(perceus.yml) or C(perceus.yaml), or end in C(.perceus.yml) or
    C(.perceus.yaml).
notes:
  - "Groups: C(nodes), C(unknown), C(quarantine) for machines that wait for an operator, C(live) and C(expired) by
    lease, C(disabled), C(alarm_KIND) for machines that something is wrong with, C(group_GROUP), C(vnfs_VNFS), and
    C(state_STAGE) by the last stage that a node reported. Characters that a group cannot have become C(_)."
  - "Host variables of nodes: C(ansible_host) and C(perceus_address), the reserved address with which a node boots;
    C(perceus_mac), C(perceus_group), C(perceus_vnfs), C(perceus_vnfs_origin) (V(node), V(group) or V(default)),
    C(perceus_vnfs_kernel_args), C(perceus_vnfs_kernel_args_origin) (V(node), V(group) or V(vnfs)),
    C(perceus_enabled); after a report C(perceus_state), C(perceus_reported), and C(perceus_generation), which it runs."
  - "With a lease: C(perceus_lease_address), C(perceus_lease_expiry) in seconds since 1970 or V(0) for ever, and
    C(perceus_lease_name), the client's own word."
  - "Of unknown machines: C(perceus_first_seen), and what their firmware says of them: C(perceus_manufacturer),
    C(perceus_product), C(perceus_serial) and C(perceus_uuid). C(perceus_alarms) is a list of what is wrong."
  - "Host variables of VNFSs: C(perceus_vnfs); C(perceus_generation), the published one, if any; C(ansible_connection)
    and C(ansible_python_interpreter)."
extends_documentation_fragment:
  - ansible.builtin.constructed
  - perceus.cluster.master.files
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [perceus.cluster.leases]
  last_good_leases:
    description:
      - A file in which to keep the last whole content of the lease file.
      - It is used, with a warning that says how old it is, when the lease file stays torn, as it does on a full disk.
        Without it that is an error.
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

# perceus.yml: more groups and variables
# plugin: perceus.cluster.leases
# last_good_leases: ~/.cache/perceus.leases
# groups:
#   stuck: perceus_state | default('') in ['refused', 'retry', 'nomem']
# keyed_groups:
#   - prefix: generation
#     key: perceus_generation
#     default_value: none
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.group import Group
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, to_safe_group_name
from ansible_collections.perceus.cluster.plugins.module_utils._config import load_config
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import load_machines
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.hosts import load_hosts
from ansible_collections.perceus.cluster.plugins.plugin_utils.constructed import BatchedConstructable, untrusted

VNFS_GROUP = "vnfs_capsules"
WAY_IN = {"ansible_connection": "perceus.cluster.vnfs", "ansible_python_interpreter": "/usr/bin/python3"}


class InventoryModule(BaseInventoryPlugin, BatchedConstructable):
    NAME = "perceus.cluster.leases"

    def verify_file(self, path: str) -> bool:
        """Claim no file but ours: each plugin that does makes Ansible load the user's other YAML once more."""
        name = Path(path).name
        ours = name in ("perceus.yml", "perceus.yaml") or name.endswith((".perceus.yml", ".perceus.yaml"))
        return bool(super().verify_file(path)) and ours

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._groups: dict[str, Group] = {}
        self._read_config_data(path)
        config = Path(self.get_option("config"))
        paths = {option: self._path(option) for option in ("leases", "registry", "reports")}
        try:
            found = load_machines(config, last_good=self._path("last_good_leases"), **paths)
            store = self._path("store") or load_config(config).store
        except PerceusError as error:
            raise AnsibleParserError(str(error)) from error
        vnfs_hosts, warnings = load_hosts(store)
        for warning in (*found.warnings, *warnings):
            self.display.warning(warning)
        for group in ("nodes", "live", "expired", "unknown", "quarantine", "disabled", VNFS_GROUP):
            self.inventory.add_group(group)
        machines = {machine.name: _host_variables(machine.facts) for machine in (*found.nodes, *found.unknown)}
        for machine in (*found.nodes, *found.unknown):
            self._add(machine.name, machine.groups, machines[machine.name])
        self.construct(machines)
        for host in vnfs_hosts:
            self._add(host.name, [VNFS_GROUP], {**_host_variables(host.facts), **WAY_IN})

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


def _host_variables(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are known, none of them ever a template."""
    variables = {f"perceus_{fact}": untrusted(value) for fact, value in facts.items() if value is not None}
    if "perceus_address" in variables:
        variables["ansible_host"] = variables["perceus_address"]
    return variables
