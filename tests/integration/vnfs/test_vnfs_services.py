# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that start services: they are installed and enabled, and nothing of them runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import NAP, Master, running_commands

DAEMON = f"""\
#!/bin/sh
date >> /srv/noisy
exec sleep {NAP}
"""
UNIT = """\
[Service]
ExecStart=/usr/sbin/noisy
[Install]
WantedBy=multi-user.target
"""
INIT_SCRIPT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides: noisy
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
if [ "$1" = start ]; then setsid /usr/sbin/noisy >/dev/null 2>&1 & fi
"""
CONTROL = """\
Package: noisy
Version: 1
Architecture: all
Maintainer: nobody
Description: a daemon that its package starts by all means
"""
POSTINST = """\
#!/bin/sh
set -e
update-rc.d noisy defaults
systemctl daemon-reload
deb-systemd-helper enable noisy.service
deb-systemd-invoke start noisy.service
invoke-rc.d noisy start
systemctl enable noisy.service
systemctl start noisy.service
systemctl reload-or-restart noisy.service
"""
PRERM = """\
#!/bin/sh
set -e
deb-systemd-invoke stop noisy.service
invoke-rc.d noisy stop
systemctl stop noisy.service
systemctl disable noisy.service
update-rc.d noisy remove
"""
FILES = {
    "DEBIAN/control": (CONTROL, 0o644),
    "DEBIAN/postinst": (POSTINST, 0o755),
    "DEBIAN/prerm": (PRERM, 0o755),
    "etc/init.d/noisy": (INIT_SCRIPT, 0o755),
    "lib/systemd/system/noisy.service": (UNIT, 0o644),
    "usr/sbin/noisy": (DAEMON, 0o755),
}
POLICIES = {"none": None, "permissive": "#!/bin/sh\nexit 0\n", "broken": "#!/nonexistent\n"}


@pytest.fixture
def package(capsule: Master, tmp_path: Path) -> Iterator[str]:
    """The name inside of a package that starts its daemon."""
    for name, (content, mode) in FILES.items():
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)
    built = capsule.vnfs / "rootfs/srv/noisy.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tmp_path / "package", built], check=True)
    yield "/srv/noisy.deb"
    built.unlink()


@pytest.fixture(params=POLICIES)
def own_policy(request: pytest.FixtureRequest, capsule: Master) -> Iterator[None]:
    """An administrator's own policy-rc.d, which comes through as it is."""
    file = capsule.vnfs / "rootfs/usr/sbin/policy-rc.d"
    content = POLICIES[request.param]
    if content is None:
        yield
        assert not file.exists()
        return
    file.write_text(content)
    file.chmod(0o755)
    try:
        yield
        assert (file.read_text(), file.stat().st_mode & 0o7777) == (content, 0o755)
    finally:
        file.unlink()


@pytest.mark.usefixtures("own_policy")
def test_a_package_enables_its_service_and_starts_nothing(capsule: Master, package: str) -> None:
    tree = capsule.vnfs / "rootfs"
    capsule.inside("dpkg", "--install", package)
    try:
        assert capsule.inside("systemctl", "is-enabled", "noisy.service") == "enabled\n"
        assert (tree / "etc/systemd/system/multi-user.target.wants/noisy.service").is_symlink()
        assert list(tree.glob("etc/rc2.d/S*noisy"))
        assert not (tree / "srv/noisy").exists(), "the daemon ran"
    finally:
        capsule.inside("dpkg", "--purge", "noisy")
    assert not (tree / "etc/systemd/system/multi-user.target.wants/noisy.service").is_symlink()


def test_a_daemon_that_asks_nobody_dies_with_the_command_that_started_it(capsule: Master, package: str) -> None:
    started = capsule.vnfs / "rootfs/srv/noisy"
    script = 'dpkg --install "$1"; /etc/init.d/noisy start; until [ -s /srv/noisy ]; do sleep 0.1; done'
    try:
        capsule.inside("sh", "-c", script, "sh", package)
        assert started.exists()
        assert f"sleep\0{NAP}" not in running_commands()
    finally:
        capsule.inside("dpkg", "--purge", "noisy")
        started.unlink(missing_ok=True)
