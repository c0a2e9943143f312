# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for a playbook sees what a long step is at; a short one is not worth a line."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import Master

SLOW = '#!/bin/sh\nsleep 6\nexec mksquashfs-real "$@"\n'


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("master: {hosts: {localhost: {ansible_connection: local}}}\n")
    return inventory


def publish(master: Master, hosts: Path, *arguments: str) -> str:
    """What ansible said while it published the capsule."""
    argv = [
        "ansible",
        "-i",
        str(hosts),
        "localhost",
        "-m",
        "perceus.cluster.vnfs_image",
        "-a",
        "name=debian",
        *arguments,
    ]
    done = subprocess.run(
        master.command(*argv),
        env={**os.environ, "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_long_step_is_told_and_a_short_one_is_not(image: Master, hosts: Path) -> None:
    """mksquashfs is held up for six seconds: that is what makes it long, on a machine of any speed."""
    program = image.path("/usr/local/bin/mksquashfs")
    real = image.path("/usr/local/bin/mksquashfs-real")
    real.symlink_to("/usr/bin/mksquashfs")
    program.write_text(SLOW)
    program.chmod(0o755)
    changed = image.vnfs / "rootfs/srv/progress"
    changed.write_text("changed")
    try:
        said = publish(image, hosts)
    finally:
        program.unlink()
        real.unlink()
        changed.unlink()
    assert re.search(r"^debian: squashfs.* \(\d+ s\)$", said, re.MULTILINE), said
    assert json.loads(said.partition("=> ")[2])["action"] == "publish"
    assert not image.path("/run/perceus/progress/debian.json").exists()

    publish(image, hosts)
    assert "debian: " not in publish(image, hosts)
    assert "debian: " not in publish(image, hosts, "--check")
