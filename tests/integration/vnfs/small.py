# SPDX-License-Identifier: GPL-3.0-or-later
"""A small VNFS: a few programs of this machine, and a stand-in for dracut. All that is done with it takes a moment."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conftest import Master


class Small:
    """A small VNFS on a master."""

    name = "small"

    def __init__(self, master: Master) -> None:
        self.master = master
        self.folder = master.path(f"/var/lib/perceus/vnfs/{self.name}")
        self.tree = self.folder / "rootfs"

    def do(self, module: str, **options: Any) -> dict[str, Any]:
        return self.master.do(module, **{"name": self.name, **options})

    def refuse(self, module: str, **options: Any) -> str:
        """Run a module that must refuse, in check mode too and with the same words; return them."""
        said = [
            self.master.call(module, **{"name": self.name, **options}, _ansible_check_mode=check)
            for check in (True, False)
        ]
        assert all(result.get("failed") for result in said), said
        assert said[0]["msg"] == said[1]["msg"]
        return str(said[1]["msg"])

    def check_and_do(self, module: str, **options: Any) -> dict[str, Any]:
        """Run a module twice, each time in check mode first: its word is what is done, and the second time nothing is.

        Return the result of the first run.
        """
        options = {"name": self.name, "_ansible_diff": True, **options}
        said, done, said_again, done_again = (
            self.master.do(module, **options, _ansible_check_mode=check) for check in (True, False) * 2
        )
        for check, run in ((said, done), (said_again, done_again)):
            assert word(check) == word(run)
        assert (done_again["changed"], done_again["action"]) == (False, "none")
        return done

    def change(self, content: str) -> None:
        (self.tree / "srv/changed").write_text(content)

    def publish(self, content: str) -> str:
        """Publish a changed tree and return the generation; no two have the same second."""
        self.change(content)
        time.sleep(1.1)
        return str(self.do("vnfs_image")["generation"])

    @property
    def current(self) -> str:
        return os.readlink(self.folder / "current").removeprefix("images/")

    @property
    def generations(self) -> set[str]:
        return {path.name for path in (self.folder / "images").iterdir()}


def word(result: dict[str, Any]) -> dict[str, Any]:
    """What check mode must foresee of a result: all but times."""
    image = result.get("image")
    kept = {key: value for key, value in result.items() if key not in ("phases", "invocation", "mounted", "image")}
    return {**kept, "image": word(image) if image else None}


def furnish(tree: Any) -> None:
    """Make a tree one that can be configured and published."""
    root: Path = tree.root
    for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "var/lib/dpkg", "var/tmp", "tmp", "root", "srv"):
        (root / folder).mkdir(parents=True)
    for link in ("bin", "lib", "lib64"):
        (root / link).symlink_to(f"usr/{link}")
    for program in ("bash", "cat", "chmod", "cp", "cpio", "install", "rm", "setfacl", "sleep", "tee", "zstd"):
        tree.add_program(f"/usr/bin/{program}")
    tree.add_program("/usr/sbin/chpasswd")
    for program in ("usr/sbin/systemctl", "usr/sbin/sshd", "usr/bin/curl", "usr/bin/tar"):
        tree.write(program, "", mode=0o755)
    dracut = '#!/bin/bash\necho etc/passwd | cpio --quiet --create --format=newc | zstd --quiet -o "${@: -1}"\n'
    tree.write("usr/bin/dracut", dracut, mode=0o755)
    tree.write("boot/vmlinuz-9.1", "kernel")
    tree.write("etc/passwd", "root:x:0:0::/root:/bin/bash\n")
    tree.write("etc/group", "root:x:0:\n")
    tree.write("etc/shadow", "root::1::::::\n", mode=0o640)
    tree.write("usr/lib/os-release", "ID=debian\n")
    tree.write("var/lib/dpkg/status", "")
