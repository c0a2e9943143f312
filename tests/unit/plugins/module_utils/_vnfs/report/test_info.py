# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.machines import Machine
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import Recipe, save_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.info import (
    Wanted,
    describe_vnfs,
    find_vnfs,
    load_nodes,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs, flip

OLD, NEW = "a" * 16, "b" * 16
HASH = "$y$tiger"
RECIPE = Recipe(
    Mmdebstrap("bookworm"), node_files="0" * 64, root_password_hash=HASH, options=Options(kernel_args="quiet")
)


def node(name: str, vnfs: str, generation: str | None) -> Machine:
    return Machine(name, (), {"vnfs": vnfs, "generation": generation, "state": "ready" if generation else None})


def publish(vnfs: Vnfs, generation: str, created: str) -> None:
    files = {name: {"sha256": "0" * 64, "size": 1000} for name in ("vmlinuz", "initramfs.img", "rootfs.squashfs")}
    said = {"generation": generation, "created": created, "kernel_release": "6.1", "kernel_args": "quiet"}
    header = {**said, "root_mode": "overlay", "files": files, "tree_size": 1, "tree_files": 1}
    (vnfs.images / generation).mkdir(parents=True)
    (vnfs.images / generation / "image.json").write_text(json.dumps(header))
    flip(vnfs, generation)


@pytest.fixture
def vnfs(tmp_path: Path) -> Vnfs:
    made = Vnfs(tmp_path / "debian")
    made.rootfs.mkdir(parents=True)
    save_recipe(made.recipe_file, RECIPE)
    publish(made, OLD, "2030-01-01T00:00:00Z")
    publish(made, NEW, "2030-01-02T00:00:00Z")
    return made


def describe(vnfs: Vnfs, *nodes: Machine, gather: Sequence[str] = ()) -> dict[str, Any]:
    return describe_vnfs(vnfs, nodes, Wanted(gather, 5), runner=CommandRunner())


def test_each_generation_says_who_runs_it(vnfs: Vnfs) -> None:
    nodes = [node("n101", "debian", OLD), node("n102", "debian", NEW), node("n103", "debian", None)]
    found = describe(vnfs, *nodes, node("n104", "other", OLD))
    assert [(each["generation"], each["current"], each["nodes"]) for each in found["generations"]] == [
        (OLD, False, ["n101", "n104"]),
        (NEW, True, ["n102"]),
    ]
    assert [(each["name"], each["state"]) for each in found["nodes"]] == [
        ("n101", "ready"),
        ("n102", "ready"),
        ("n103", None),
    ]


def test_what_is_served_is_told_at_the_top(vnfs: Vnfs) -> None:
    found = describe(vnfs)
    assert (found["current"], found["created"], found["kernel_release"]) == (NEW, "2030-01-02T00:00:00Z", "6.1")
    assert (found["image_size"], found["faults"]) == (1000, [])


def test_options_have_an_origin(vnfs: Vnfs) -> None:
    options = describe(vnfs)["options"]
    assert options["kernel_args"] == {"value": "quiet", "origin": "vnfs"}
    assert options["compression"] == {"value": "fast", "origin": "default"}


def test_the_hash_of_a_password_is_not_shown(vnfs: Vnfs) -> None:
    found = describe(vnfs)
    assert found["recipe"]["root_password_hash"]
    assert HASH not in json.dumps(found)


@pytest.mark.parametrize("header", ["", "[]", '{"files": {}}', None])
def test_a_broken_generation_hides_no_other(vnfs: Vnfs, header: str | None) -> None:
    file = vnfs.images / NEW / "image.json"
    file.write_text(header) if header is not None else file.unlink()
    found = describe(vnfs, gather=["sizes"])
    assert {each["generation"]: each["created"] for each in found["generations"]} == {
        NEW: None,
        OLD: "2030-01-01T00:00:00Z",
    }
    assert f"Cannot read generation {NEW!r} of VNFS 'debian': image.json" in found["faults"][0]
    assert found["sizes"]["of"] == "tree"


def test_a_vnfs_that_was_never_built_is_described(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (empty,) = find_vnfs(tmp_path, None)
    found = describe(empty)
    assert (found["name"], found["tree"], found["current"], found["generations"]) == ("empty", False, None, [])
    assert "has no rootfs" in describe(empty, gather=["sizes"])["faults"][0]
    with pytest.raises(PerceusError, match="Cannot describe VNFS 'file'"):
        find_vnfs(tmp_path, "file")


def test_a_host_that_is_no_master_has_no_nodes(tmp_path: Path) -> None:
    assert load_nodes(tmp_path / "cluster.json") == ()
