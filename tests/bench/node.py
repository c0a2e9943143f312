# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a call of the module ``node`` takes with 10,000 nodes, beside Ansible's own start: ``ansible -m ping``.

Run it by ``.venv/bin/python tests/bench/node.py`` after ``make collection``. Times are wall seconds, the least of some.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.limits import Table  # noqa: E402
from tests.cluster import cluster_settings  # noqa: E402

NODES = 10_000
ROUNDS = 5
LIMIT = 0.5  # seconds above ping


def make_cluster(folder: Path) -> Path:
    """Make a cluster and return its configuration file."""
    (folder / "vnfs" / "debian").mkdir(parents=True)
    nodes = [
        {
            "name": f"n{10000 + number}",
            "macs": [f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"],
            "address": f"10.17.{100 + (number >> 8)}.{number & 255}",
            "group": "compute",
            "enabled": True,
            "machine_id": f"{number:032x}",
            "adopted": "2030-01-01T00:00:00Z",
        }
        for number in range(NODES)
    ]
    registry = {"format": "perceus-nodes", "version": 2, "groups": {"compute": {}}, "nodes": nodes}
    (folder / "nodes.json").write_text(json.dumps(registry))
    settings = cluster_settings(
        folder,
        node_range="10.17.100.0-10.17.200.0",
        discovery_range="10.17.5.1-10.17.9.250",
        node_name="n#####",
        node_first=10000,
        state_dir=str(folder),
    )
    (folder / "cluster.json").write_text(json.dumps(settings))
    return folder / "cluster.json"


def measure(calls: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the least time that each ad-hoc call takes; ``ROUND`` in it is another number each time.

    The calls take turns, so that what else the machine does hits all of them.
    """
    inventory = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}"
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "tests" / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(ROOT / ".cache" / "ansible"),
    }
    least = dict.fromkeys(calls, float("inf"))
    ansible = Path(sys.executable).with_name("ansible")
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as hosts:
        hosts.write(f"{inventory}\n")
        hosts.flush()
        for number in range(ROUNDS):
            for what, arguments in calls.items():
                argv = [str(ansible), "-i", hosts.name, "localhost", *arguments]
                began = time.monotonic()
                subprocess.run(
                    [argument.replace("ROUND", str(number)) for argument in argv],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    check=True,
                )
                least[what] = min(least[what], time.monotonic() - began)
    return least


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="perceus-bench-") as folder:
        config = make_cluster(Path(folder))
        calls: dict[str, list[str]] = {"ping": ["-m", "ping"]}
        options: dict[str, dict[str, Any]] = {
            "one node, nothing to change": {"name": "n10500", "enabled": True},
            "one node": {"name": "n10500", "description": "round ROUND"},
            "a range": {"name": "n[10000-10999]", "kernel_args": "quiet ROUND"},
            "a glob": {"name": "n1*5", "description": "round ROUND"},
            "a new machine": {"macs": ["52:54:00:00:ff:0ROUND"]},
        }
        for what, said in options.items():
            calls[what] = ["-m", "perceus.cluster.node", "-a", json.dumps({"config": str(config), **said})]
        taken = measure(calls)
    table = Table("what", "seconds", "above ping")
    for what, seconds in taken.items():
        above = seconds - taken["ping"]
        table.add(what, f"{seconds:.2f}", f"{above:.2f}", value=above, at_most=LIMIT)
    return table.status


if __name__ == "__main__":
    raise SystemExit(main())
