# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.change import Plan, change_registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.declare import (
    Means,
    declare_nodes,
    remove_nodes,
    rename_node,
)
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import EMPTY, Registry
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import save_registry


@contextlib.contextmanager
def no_file_may_grow() -> Iterator[None]:
    """As on a disk that is full, folders can be renamed, but nothing can be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def remove(registry: Registry) -> Plan:
    return Plan(registry, remove_nodes(registry, [{"name": "n101"}]))


def rename(registry: Registry) -> Plan:
    return Plan(registry, rename_node(registry, "n101", "stunt"), ("n101", "stunt"))


@pytest.mark.parametrize(("decide", "keys"), [(remove, {"stunt": "stunt"}), (rename, {"stunt": "n101"})])
def test_a_key_follows_its_node_when_the_registry_is_written_and_not_before(
    config: ClusterConfig, means: Means, tmp_path: Path, decide: Callable[[Registry], Plan], keys: dict[str, str]
) -> None:
    config = replace(config, state_dir=tmp_path, leases=tmp_path / "leases")
    entries = [{"name": "n101", "macs": ["52:54:00:00:00:01"]}]
    save_registry(config.registry, declare_nodes(EMPTY, entries, means, all_of_them=True))
    config.leases.touch()
    for name in ("n101", "stunt"):
        (config.hostkeys / name).mkdir(parents=True)
        (config.hostkeys / name / "key").write_text(name)

    def found() -> dict[str, str]:
        return {key.parent.name: key.read_text() for key in config.hostkeys.glob("**/key")}

    with no_file_may_grow(), pytest.raises(PerceusError, match="Cannot write"):
        change_registry(config, decide, check=False, touches_keys=True)
    assert found() == {"n101": "n101", "stunt": "stunt"}
    change_registry(config, decide, check=False, touches_keys=True)
    assert found() == keys
