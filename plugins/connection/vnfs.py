# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VNFS as a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: vnfs
short_description: Work inside a VNFS, as if it were a running host
version_added: 0.1.0
author: The perceus.cluster maintainers (!UNKNOWN)
description:
  - Runs tasks inside the tree of a VNFS on the master, so that any role can customise it.
  - Each program has the tree as its root, in private mount, process, IPC and host name spaces. It is root there,
    reaches the network as the master does, and sees its own C(/proc), C(/dev) and C(/run).
  - A service that is enabled will be started on nodes. None is started inside, whatever a role or a package asks for.
  - The master is this machine, or another one that is reached by ssh.
notes:
  - The inventory plugin P(perceus.cluster.leases#inventory) gives a host C(NAME.vnfs) for each VNFS.
  - Python must be in the tree, as it is in what M(perceus.cluster.vnfs) builds. The modules V(raw) and V(script) do
    without.
  - The VNFS is locked while a program runs in it, not between tasks.
  - A file that is transferred is held in memory.
  - For ssh, all variables and settings of P(ansible.builtin.ssh#connection) whose names begin with C(ansible_ssh_)
    apply, such as C(ansible_ssh_user) and C(ansible_ssh_private_key_file).
requirements:
  - The role P(perceus.cluster.vnfs_store#role) has been applied to the master.
extends_documentation_fragment:
  - connection_pipelining
options:
  vnfs:
    description: The VNFS. By default the name of the host, less C(.vnfs).
    type: str
    vars:
      - name: perceus_vnfs
  master:
    description: The master's name or address for ssh. V(localhost) is this machine, without ssh.
    type: str
    default: localhost
    vars:
      - name: ansible_vnfs_master
  sudo:
    description: Whether to become root on the master by C(sudo), without a password.
    type: bool
    default: false
    vars:
      - name: ansible_vnfs_sudo
  remote_user:
    description: Who tasks run as inside. It is always root, as it is in an empty tree.
    type: str
    default: root
    choices: [root]
"""

EXAMPLES = r"""
# Customise all VNFSs of this master by a role:
#   ansible-playbook -i perceus.yml customise.yml
# - hosts: vnfs_capsules
#   roles:
#     - site.common

# The same from a laptop, with an inventory of its own:
# debian.vnfs:
#   ansible_connection: perceus.cluster.vnfs
#   ansible_vnfs_master: master.example.org
#   ansible_ssh_user: admin
#   ansible_vnfs_sudo: true
"""

import os
import shlex
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader

SHELL = "/usr/local/sbin/vnfs-shell"
NOT_ENTERED = 125  # with these words, how vnfs-shell says that it did not start the program
COMPLAINT = b"vnfs-shell: "
ROLE = "perceus.cluster.vnfs_store"
SUFFIX = ".vnfs"


class Connection(ConnectionBase):
    """Programs are run by ``vnfs-shell`` on the master, to which the stock plugin ``local`` or ``ssh`` leads."""

    transport = "perceus.cluster.vnfs"
    has_pipelining = True
    has_tty = False
    allow_extras = True
    _extras_prefix = "ssh"
    default_user = "root"
    _door: ConnectionBase  # made of the options, which Ansible sets first

    def __init__(self, play_context: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(play_context, *args, **kwargs)
        self._arguments = (args, kwargs)

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        master = self.get_option("master")
        kind = "ansible.builtin.local" if master == "localhost" else "ansible.builtin.ssh"
        args, kwargs = self._arguments
        door = connection_loader.get(kind, self._play_context, *args, **kwargs)
        extras = (var_options or {}).get("_extras", {})
        door.set_options(task_keys=task_keys, var_options={"ansible_ssh_host": master, **extras})
        self._door = door

    @property
    def _vnfs(self) -> str:
        name = self.get_option("vnfs") or self._play_context.remote_addr.removesuffix(SUFFIX)
        return str(name)

    def _connect(self) -> Connection:
        self._play_context.remote_user = "root"
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._run(["/bin/sh", "-c", to_text(cmd)], in_data)

    def _run(self, argv: list[str], in_data: bytes | None = None) -> tuple[int, bytes, bytes]:
        sudo = ["sudo", "--non-interactive", "--"] if self.get_option("sudo") else []
        command = shlex.join([*sudo, SHELL, "--first", self._vnfs, *argv])
        self._display.vvv(f"EXEC {command}", host=self._play_context.remote_addr)
        status, output, words = self._door.exec_command(command, in_data=in_data, sudoable=False)
        if status == NOT_ENTERED and words.startswith(COMPLAINT):
            raise AnsibleConnectionFailure(to_text(words[len(COMPLAINT) :]).strip())
        if SHELL.encode() in words and status in (1, 126, 127):  # the words of a shell, or of sudo
            raise AnsibleConnectionFailure(
                f"Cannot enter VNFS {self._vnfs!r}: the master has no {SHELL}. Apply the role {ROLE}"
            )
        return status, output, words

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        try:
            with open(in_path, "rb") as stream:
                content, mode = stream.read(), os.fstat(stream.fileno()).st_mode & 0o7777
        except OSError as error:
            raise AnsibleError(f"Cannot read {in_path!r}: {error.strerror}") from error
        self._transfer(["install", "-m", f"{mode:o}", "--", "/dev/stdin", out_path], out_path, content)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        script = 'stat -c %a -- "$1" && exec cat -- "$1"'
        mode, _line, content = self._transfer(["/bin/sh", "-c", script, "sh", in_path], in_path).partition(b"\n")
        try:
            with open(out_path, "wb") as stream:
                os.fchmod(stream.fileno(), int(mode, 8) & 0o777)  # never setuid: the tree's word is no master's
                stream.write(content)
        except (OSError, ValueError) as error:
            raise AnsibleError(f"Cannot fetch {in_path!r} to {out_path!r}: {error}") from error

    def _transfer(self, argv: list[str], name: str, content: bytes | None = None) -> bytes:
        status, output, words = self._run(argv, content)
        if status != 0:
            raise AnsibleError(f"Cannot transfer {name!r} in VNFS {self._vnfs!r}: {to_text(words).strip()}")
        return output

    def reset(self) -> None:
        self._door.reset()

    def close(self) -> None:
        self._door.close()
        self._connected = False
