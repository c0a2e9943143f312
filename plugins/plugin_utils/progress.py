# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell who waits for a module what it is at: it keeps a record on the master, which a second connection reads."""

from __future__ import annotations

import json
import shlex
import threading
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import PROGRESS

PATIENCE = 2  # seconds: what is over by then is not worth a line
PAUSE = 5  # seconds between lines about the same phase
MB = 1_000_000

display = Display()


class ProgressAction(ActionBase):
    """Runs the module of its name as it would run without this, and shows how far it is."""

    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        watch = not (self._task.check_mode or self._task.async_val)
        teller = Teller(self._second_connection(), str(self._task.args.get("name"))) if watch else None
        if teller:
            teller.start()
        try:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))
        finally:
            if teller:
                teller.stop()
        return result

    def _second_connection(self) -> ConnectionBase:
        """Return a connection to the same host, by the same options, without becoming anybody."""
        ours = self._connection
        other: ConnectionBase = connection_loader.get(ours._load_name, self._play_context)
        other._options, other._origins = dict(ours._options), dict(ours._origins)
        return other


class Teller(threading.Thread):
    """Shows a line for each phase that lasts, and another one every few seconds. It is silent when it cannot see."""

    def __init__(self, connection: ConnectionBase, vnfs: str) -> None:
        super().__init__(name="progress", daemon=True)
        self._connection = connection
        self._vnfs = vnfs
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        told: tuple[str, float] = ("", 0)
        written = None
        while not self._stopping.wait(PATIENCE):
            record = self._read()
            if record is None:
                continue
            fresh, written = record["written"] != written, record["written"]
            phase, seconds = record["phase"], record["seconds"]
            due = seconds >= PATIENCE if phase != told[0] else seconds >= told[1] + PAUSE
            if fresh and due:
                display.display(describe(self._vnfs, record))
                told = (phase, seconds)

    def _read(self) -> dict[str, Any] | None:
        command = shlex.join(["cat", f"{PROGRESS}/{self._vnfs}.json"])
        try:
            status, output, _words = self._connection.exec_command(command, sudoable=False)
            record = json.loads(output) if status == 0 else None
            return record if isinstance(record, dict) and {"phase", "seconds", "written"} <= record.keys() else None
        except (AnsibleError, OSError, ValueError):
            return None


def describe(vnfs: str, record: dict[str, Any]) -> str:
    """Return what a record says, for people: ``debian: squashfs 84 MB, 24 MB/s (3 s)``."""
    done, total, seconds = record.get("done"), record.get("total"), record["seconds"]
    amount = ""
    if done and record.get("unit") == "bytes":
        of = f" of {total / MB:.0f}" if total else ""
        amount = f" {done / MB:.0f}{of} MB, {done / MB / seconds:.0f} MB/s"
    elif done:
        of = f" of {total}" if total else ""
        amount = f" {done}{of} {record.get('unit')}, {done / seconds:.0f}/s"
    return f"{vnfs}: {record['phase']}{amount} ({seconds:.0f} s)"
