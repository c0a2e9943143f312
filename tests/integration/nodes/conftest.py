# SPDX-License-Identifier: GPL-3.0-or-later
"""A master on which modules change the registry, each as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry

from tests.modules import Modules

# As Ansible runs a module, less its packing.
CALL = """
import importlib, json, sys
from ansible.module_utils.testing import patch_module_args
module = importlib.import_module("ansible_collections.perceus.cluster.plugins.modules." + sys.argv[1])
with patch_module_args(json.load(sys.stdin)):
    module.main()
"""


class Cluster(Modules):
    """A cluster with the VNFSs ``debian`` and ``rocky-9``, and the overlay ``gpu``."""

    def __init__(self, config: ClusterConfig, config_file: Path, collections: Path) -> None:
        self.config = config
        self.config_file = config_file
        self._environment = {**os.environ, "PYTHONPATH": str(collections)}
        for vnfs in ("debian", "rocky-9"):
            (config.store / vnfs).mkdir()
        (config.overlays / "gpu").mkdir(parents=True)

    @property
    def registry(self) -> Registry:
        return load_registry(self.config.registry)

    def start(self, module: str, **options: Any) -> subprocess.Popen[str]:
        with tempfile.TemporaryFile("w+") as given:
            json.dump({"config": str(self.config_file), **options}, given)
            given.seek(0)
            return subprocess.Popen(
                [sys.executable, "-c", CALL, module],
                env=self._environment,
                stdin=given,
                stdout=subprocess.PIPE,
                text=True,
            )

    def refuse(self, module: str, **options: Any) -> str:
        """Run a module that must refuse, in check mode too and with the same words, and change nothing; return them."""
        before = self.config.registry.read_bytes()
        said = [self.call(module, **options, _ansible_check_mode=check) for check in (True, False)]
        assert all(result.get("failed") for result in said), said
        assert said[0]["msg"] == said[1]["msg"]
        assert self.config.registry.read_bytes() == before
        return str(said[1]["msg"])

    def check_and_do(self, module: str, **options: Any) -> dict[str, Any]:
        """Run a module twice, each time in check mode first: its word is what is done, and the second time nothing is.

        Return the result of the first run.
        """
        check, run, check_again, run_again = (
            self.do(module, **options, _ansible_check_mode=check, _ansible_diff=True) for check in (True, False) * 2
        )
        assert check["changed"]
        assert {**check, "invocation": None} == {**run, "invocation": None}
        assert (check_again["changed"], run_again["changed"]) == (False, False)
        assert run_again["diff"] == {"before": "", "after": ""}
        return run

    def reconcile(self, reload: Callable[[], None] = lambda: None) -> list[str]:
        """Run the reconciler and return the lines of its journal."""
        said: list[str] = []
        assert reconcile.run(lambda: self.config, reload=reload, say=said.append) == 0
        return said


def mac(number: int) -> str:
    return f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"


@pytest.fixture
def cluster(config: ClusterConfig, tmp_path: Path, installed: Path) -> Cluster:
    config.leases.write_text("")
    return Cluster(config, tmp_path / "cluster.json", installed.parents[2])


@pytest.fixture
def three(cluster: Cluster) -> Cluster:
    """The cluster with the nodes n101 to n103, of which the last is in the group viz."""
    cluster.do(
        "node",
        nodes=[{"name": f"n10{number}", "macs": [mac(number)]} for number in (1, 2)]
        + [{"name": "n103", "macs": [mac(3)], "group": "viz"}],
    )
    return cluster
