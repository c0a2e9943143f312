# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.build import want_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import save_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.clone import Clone
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.order import Order
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

SAID: dict[str, Any] = {"mmdebstrap": {"suite": "bookworm"}, "packages": ["sudo"], "keep": 5, "kernel_args": "quiet"}


def test_a_clone_takes_over_what_is_not_said_and_keeps_it(tmp_path: Path) -> None:
    original = Vnfs(tmp_path / "original")
    original.rootfs.mkdir(parents=True)
    save_recipe(original.recipe_file, want_recipe(SAID, current=None, node_files=tmp_path))
    asked = {"clone": {"vnfs": "original"}, "keep": 2}
    clone = want_recipe(asked, current=None, node_files=tmp_path, store=tmp_path)
    assert (clone.source, clone.packages) == (Clone("original"), ("sudo",))
    assert (clone.options.keep, clone.options.kernel_args) == (2, "quiet")
    assert clone.all_packages() == ("sudo",)
    original.rootfs.rmdir()
    assert want_recipe({"keep": 2}, current=clone, node_files=tmp_path, store=tmp_path) == clone


def test_nothing_is_its_own_clone(tmp_path: Path) -> None:
    order = Order(Vnfs(tmp_path / "debian"), (), None, CommandRunner(), Phases())
    with pytest.raises(PerceusError, match="Cannot clone VNFS 'debian' into itself"):
        Clone("debian").make_tree(tmp_path / "rootfs", order)


@pytest.mark.parametrize("name", ["", "../debian", ".debian.lock", "a b"])
def test_hostile_values_are_refused(name: str) -> None:
    with pytest.raises(PerceusError, match="Cannot name a VNFS"):
        Clone(name)
