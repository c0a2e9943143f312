# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.archive import open_archive
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.capsule import Header, find_checksum
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.importing import (
    ImportPlan,
    adopt,
    plan_import,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.phases import Phases
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import (
    Recipe,
    plain_recipe,
    save_recipe,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.capsule import Capsule
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

SOURCE = Capsule("/srv/x.vnfs", f"sha256:{'0' * 64}")
STRANGER = Recipe(
    Mmdebstrap("bookworm"),
    node_files="1" * 64,
    packages=("sudo",),
    authorized_keys=("ssh-ed25519 AAAA stranger",),
    root_password_hash="$y$j9T$salt$hash",  # noqa: S106
    options=Options(kernel_args="quiet", allow_secrets=("/etc/**",), signing_key="/etc/key"),
)
HEADER = Header("debian", "0" * 16, "", 1, 1, "0" * 64, plain_recipe(STRANGER))
RECIPE = Recipe(SOURCE, node_files="1" * 64, packages=("sudo",), options=Options(kernel_args="quiet"))


def test_a_stranger_has_no_say_in_who_logs_in_and_which_secrets_are_told() -> None:
    assert adopt(HEADER, SOURCE) == RECIPE


@pytest.mark.parametrize(
    ("current", "header", "action", "changed"),
    [(None, HEADER, "import", True), (STRANGER, HEADER, "replace", True), (RECIPE, None, "none", False)],
)
def test_what_is_done(current: Recipe | None, header: Header | None, action: str, changed: bool) -> None:
    plan = ImportPlan("copy", "sha256:…", current, RECIPE, header)
    assert (plan.action, plan.changed) == (action, changed)
    assert "$y$" not in plan.as_diff()["before"]


@pytest.fixture
def vnfs(tmp_path: Path) -> Vnfs:
    vnfs = Vnfs(tmp_path / "debian")
    vnfs.rootfs.mkdir(parents=True)
    return vnfs


def test_a_vnfs_made_from_the_same_capsule_is_left_as_it_is(vnfs: Vnfs, tmp_path: Path) -> None:
    file = tmp_path / "x.vnfs"
    file.write_text("whatever it is")
    source = Capsule(str(file), find_checksum(file))
    with open_archive(file) as archive:
        save_recipe(vnfs.recipe_file, replace(RECIPE, source=source))
        assert plan_import(vnfs, archive, source, force=False, phases=Phases()).action == "none"
        save_recipe(vnfs.recipe_file, RECIPE)
        with pytest.raises(PerceusError, match="Cannot import into VNFS 'debian': it is there already"):
            plan_import(vnfs, archive, source, force=False, phases=Phases())
