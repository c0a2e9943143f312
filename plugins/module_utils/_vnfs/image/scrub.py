# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a tree belongs to one machine or one moment, and is in no image of it."""

from __future__ import annotations

from ..work.sandbox import LENT_RESOLVER
from .patterns import compile_patterns

MACHINE_ID = "etc/machine-id"

_ANYTHING = compile_patterns(
    (
        f"/{MACHINE_ID}",
        # Publishing makes these.
        *(f"/usr/lib/perceus/{name}" for name in ("acls", "generation", "initramfs.img", "vmlinuz")),
        # The folders stay, what is in them does not.
        *("/dev/*", "/proc/*", "/run/*", "/sys/*", "/tmp/*", "/var/tmp/*"),  # noqa: S108
        *("/var/cache/apt/archives/*", "/var/lib/apt/lists/*", "/var/cache/dnf/*", "/var/lib/dnf/history.sqlite*"),
        # What SQLite has of rpm's database only while somebody reads it
        *("/var/lib/rpm/rpmdb.sqlite-shm", "/usr/lib/sysimage/rpm/rpmdb.sqlite-shm"),
        "/var/lib/systemd/coredump/*",
        # Leases, and the identifiers by which DHCP servers know a machine
        *("/var/lib/dhcp/*", "/var/lib/dhclient/*", "/var/lib/dhcpcd*/*", "/var/lib/dhcpv6/*"),
        *("/var/lib/NetworkManager/*", "/var/lib/systemd/network/*", "/etc/dhcpcd.duid", "/etc/dhcpcd.secret"),
        # What tools of another kind know of the machine
        *("/var/lib/cloud/data", "/var/lib/cloud/instance", "/var/lib/cloud/instances", "/var/lib/cloud/sem"),
        *("/root/.ansible", "/var/lib/sss/db/*", "/var/lib/sss/mc/*"),
    )
)
_FILES = compile_patterns(
    (
        *("/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub", "/etc/ssh/ssh_host_*_key-cert.pub"),
        "/var/lib/dbus/machine-id",
        *("/etc/iscsi/initiatorname.iscsi", "/etc/nvme/hostid", "/etc/nvme/hostnqn"),
        "/etc/udev/rules.d/??-persistent-*.rules",
        *("/var/lib/systemd/credential.secret", "/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed"),
        *("/boot/loader/random-seed", "/boot/efi/loader/random-seed", "/efi/loader/random-seed"),
        *("/var/lib/systemd/timesync/clock", "/var/lib/systemd/timers/stamp-*"),
        *("/root/.*_history", "/home/*/.*_history"),
        # Users and passwords as they were before the last change
        *("/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-"),
        *("/var/log/**", "/var/cache/apt/*.bin"),
    )
)
RULES = (*_ANYTHING.texts, *_FILES.texts)  # all that is judged by name
# What a sandbox that was killed leaves, where there was nothing to mount over.
_EMPTY = ("etc/resolv.conf", "usr/sbin/policy-rc.d")
_LINKS = {"etc/resolv.conf": LENT_RESOLVER}


def is_scrubbed(name: str, kind: str, *, size: int, target: str = "") -> bool:
    """Whether this file of a tree, of a kind as in the manifest, stays out of its image. ``target`` is a link's."""
    if kind == "socket":  # of a program that runs, or ran
        return True
    if kind == "link" and _LINKS.get(name) == target:
        return True
    if kind == "file" and (_FILES.match(name, is_folder=False) or (size == 0 and name in _EMPTY)):
        return True
    return _ANYTHING.match(name, is_folder=kind == "folder") is not None
