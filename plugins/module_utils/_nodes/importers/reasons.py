# SPDX-License-Identifier: GPL-3.0-or-later
"""Why settings are not carried over, for all provisioners in one place: they call the same things by the same names."""

from __future__ import annotations

STATE = "it says what the node did last, not what it is"
ONE_ADDRESS = "a node has one address here"

_SETTINGS = {
    STATE: "status, statustime, currstate, currchain, lastcontact, appstatus, updatestatus",
    ONE_ADDRESS: "ipaddr, ipcidr, ip6addr, nicips",
    "networks are the cluster's configuration, not a node's": """
        netmask, network, gateway, mtu, fqdn, hwprefix, vlan, module, options, channel, type, onboot, prefix, domain,
        cluster, cluster name, installnic, primarynic, nictypes, nicnetworks, fixed-address, interface, dhcp-range
    """,
    "the machine itself knows it": "arch, cpus, cpucount, cputype, memory, disksize, mtm, serial, supportedarchs",
    "the kernel is the VNFS's own": "bootstrap, kernel override, kernel version, kernel, initrd, kcmdline",
    "files come with the VNFS and with overlays, which are made anew": """
        files, runtime overlay, system overlay, resources, postscripts, postbootscripts
    """,
    "disks are laid out anew": "filesystems, diskformat, diskpartition, bootloader, disks",
    "a node boots what its VNFS and its boot target say": """
        preshell, postshell, pxelinux, ipxe template, init, root, netboot, filename, next-server, chain, os, profile,
        runaction, installaction, nodetype, nfsserver, tftpserver, xcatmaster, servicenode
    """,
    "how to reach a node's power and console is not the registry's to know": "mgt, cons, power, switch, switchport",
    "secrets are not carried over": "bmcusername, bmcpassword",
}
_REASONS = {key.strip(): reason for reason, keys in _SETTINGS.items() for key in keys.split(",")}


def reason_for(setting: str) -> str:
    """Return why a setting of this name is not carried over."""
    return _REASONS.get(setting.lower(), "nothing here corresponds to it")
