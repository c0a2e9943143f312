# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.build import (
    digest_files,
    load_current,
    want_recipe,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import save_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

SAID: dict[str, Any] = {"mmdebstrap": {"suite": "bookworm"}, "packages": ["sudo"], "keep": 5}


def test_what_is_not_said_stays_as_it_is(tmp_path: Path) -> None:
    first = want_recipe(SAID, current=None, node_files=tmp_path)
    assert (first.source, first.packages, first.options.keep) == (Mmdebstrap("bookworm"), ("sudo",), 5)
    assert want_recipe({"packages": None}, current=first, node_files=tmp_path) == first
    quiet = want_recipe({"kernel_args": "quiet"}, current=first, node_files=tmp_path)
    assert (quiet.options.kernel_args, quiet.options.keep, quiet.packages) == ("quiet", 5, ("sudo",))
    assert want_recipe({"packages": []}, current=quiet, node_files=tmp_path).packages == ()


def test_content_mode_and_name_of_node_files_count(tmp_path: Path) -> None:
    file = tmp_path / "unit"
    file.write_text("a")
    digests = [digest_files(tmp_path)]
    file.write_text("b")
    digests.append(digest_files(tmp_path))
    file.chmod(0o755)
    digests.append(digest_files(tmp_path))
    file.rename(tmp_path / "other")
    digests.append(digest_files(tmp_path))
    assert len(set(digests)) == len(digests)
    assert digest_files(tmp_path) == digests[-1]


def test_a_recipe_without_a_tree_counts_for_nothing(tmp_path: Path) -> None:
    vnfs = Vnfs(tmp_path / "debian")
    vnfs.folder.mkdir()
    recipe = want_recipe(SAID, current=None, node_files=tmp_path)
    save_recipe(vnfs.recipe_file, recipe)
    assert load_current(vnfs) is None
    vnfs.rootfs.mkdir()
    assert load_current(vnfs) == recipe


def test_a_tree_of_unknown_origin_is_left_alone(tmp_path: Path) -> None:
    vnfs = Vnfs(tmp_path / "debian")
    vnfs.rootfs.mkdir(parents=True)
    with pytest.raises(PerceusError, match=r"has no vnfs\.yml beside it"):
        load_current(vnfs)


def test_who_says_nothing_but_options_leaves_the_tree_alone(tmp_path: Path) -> None:
    first = want_recipe(SAID, current=None, node_files=tmp_path)
    (tmp_path / "unit").write_text("new")
    configured = want_recipe({"kernel_args": "quiet"}, current=first, node_files=tmp_path)
    assert configured.node_files == first.node_files
    for asked in ({}, {"packages": ["sudo"]}):
        assert want_recipe(asked, current=first, node_files=tmp_path).node_files != first.node_files
