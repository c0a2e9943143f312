# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.scrub import is_scrubbed


@pytest.mark.parametrize(
    ("name", "kind", "size", "scrubbed"),
    [
        ("etc/ssh/ssh_host_ed25519_key.pub", "file", 0, True),
        ("etc/ssh/sshd_config", "file", 0, False),
        ("dev/null", "char", 0, True),
        ("dev", "folder", 0, False),
        ("srv/dev/null", "char", 0, False),
        ("var/lib/apt/lists/lock", "file", 0, True),
        ("var/log/journal", "folder", 0, False),
        ("var/log/nginx/access.log", "file", 0, True),
        ("var/log/link", "link", 0, False),
        ("var/lib/dbus/machine-id", "file", 0, True),
        ("var/lib/dbus/machine-id", "link", 0, False),
        ("var/lib/systemd/random-seed", "file", 0, True),
        ("tmp/x", "folder", 0, True),
        ("root/.bash_history", "file", 0, True),
        ("usr/sbin/policy-rc.d", "file", 0, True),
        ("usr/sbin/policy-rc.d", "file", 1, False),
        ("etc/resolv.conf", "file", 0, True),
        ("etc/resolv.conf", "file", 1, False),
        ("etc/resolv.conf", "link", 0, False),
        ("etc/shadow-", "file", 9, True),
        ("var/lib/dhcp/dhclient.leases", "file", 9, True),
        ("var/lib/dhcpcd5/duid", "file", 9, True),
        ("var/lib/NetworkManager/secret_key", "file", 9, True),
        ("var/lib/systemd/credential.secret", "file", 9, True),
        ("boot/efi/loader/random-seed", "file", 9, True),
        ("etc/udev/rules.d/70-persistent-net.rules", "file", 9, True),
        ("etc/udev/rules.d/70-local.rules", "file", 9, False),
        ("root/.ansible", "folder", 0, True),
        ("home/ann/.bash_history", "file", 9, True),
        ("var/lib/cloud/instances", "folder", 0, True),
        ("var/lib/cloud/seed", "folder", 0, False),
        ("etc/iscsi/initiatorname.iscsi", "file", 9, True),
        ("usr/lib/perceus/acls", "file", 9, True),
        ("root/.gnupg/S.gpg-agent", "socket", 0, True),
    ],
)
def test_what_stays_out_of_an_image(name: str, kind: str, size: int, scrubbed: bool) -> None:
    assert is_scrubbed(name, kind, size=size) is scrubbed


def test_only_the_link_that_a_sandbox_lends_stays_out() -> None:
    assert is_scrubbed("etc/resolv.conf", "link", size=0, target="/run/perceus-resolv.conf")
    assert not is_scrubbed("etc/resolv.conf", "link", size=0, target="/run/connman/resolv.conf")
    assert not is_scrubbed("etc/other.conf", "link", size=0, target="/run/perceus-resolv.conf")
