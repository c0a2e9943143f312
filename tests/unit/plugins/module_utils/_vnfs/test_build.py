# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build import digest_files, load_current, want_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe import save_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

OPTIONS: dict[str, Any] = {
    "suite": None,
    "mirror": None,
    "components": ["main"],
    "variant": "minbase",
    "kernel_package": "linux-image-amd64",
    "packages": [],
    "authorized_keys": [],
    "root_password_hash": None,
}


@pytest.fixture
def os_release(tmp_path: Path) -> Path:
    file = tmp_path / "os-release"
    file.write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    return file


def test_a_new_tree_has_the_masters_suite_and_an_old_one_keeps_its_own(tmp_path: Path, os_release: Path) -> None:
    new = want_recipe(OPTIONS, current=None, node_files=tmp_path, os_release=os_release)
    assert new.suite == "bookworm"
    trixie = want_recipe({**OPTIONS, "suite": "trixie"}, current=None, node_files=tmp_path, os_release=os_release)
    assert trixie.suite == "trixie"
    assert want_recipe(OPTIONS, current=trixie, node_files=tmp_path, os_release=os_release) == trixie


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


def test_a_recipe_without_a_tree_counts_for_nothing(tmp_path: Path, os_release: Path) -> None:
    vnfs = Vnfs(tmp_path / "debian")
    vnfs.folder.mkdir()
    recipe = want_recipe(OPTIONS, current=None, node_files=tmp_path, os_release=os_release)
    save_recipe(vnfs.recipe_file, recipe)
    assert load_current(vnfs) is None
    vnfs.rootfs.mkdir()
    assert load_current(vnfs) == recipe


def test_a_tree_of_unknown_origin_is_left_alone(tmp_path: Path) -> None:
    vnfs = Vnfs(tmp_path / "debian")
    vnfs.rootfs.mkdir(parents=True)
    with pytest.raises(PerceusError, match=r"has no vnfs\.yml beside it"):
        load_current(vnfs)
