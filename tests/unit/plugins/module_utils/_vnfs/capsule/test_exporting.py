# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.capsule.exporting import ExportPlan, plan_export
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import Recipe, save_recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

RECIPE = Recipe(Mmdebstrap("bookworm"), node_files="0" * 64)
THERE, ELSEWHERE = "sha256:1", "sha256:2"


@pytest.mark.parametrize(
    ("checksum", "push", "pushed", "action", "after"),
    [
        (None, None, None, "export", "/x.vnfs\n"),
        (THERE, None, None, "none", "/x.vnfs\n"),
        (None, "docker://r/x", None, "export", "/x.vnfs\ndocker://r/x 0\n"),
        (THERE, "docker://r/x", None, "push", f"/x.vnfs\ndocker://r/x {THERE}\n"),
        (THERE, "docker://r/x", ELSEWHERE, "push", f"/x.vnfs\ndocker://r/x {THERE}\n"),
        (THERE, "docker://r/x", THERE, "none", f"/x.vnfs\ndocker://r/x {THERE}\n"),
    ],
)
def test_what_is_done(checksum: str | None, push: str | None, pushed: str | None, action: str, after: str) -> None:
    plan = ExportPlan("debian", "0", RECIPE, None, "vnfs", Path("/x.vnfs"), checksum, push, pushed)
    assert (plan.action, plan.changed) == (action, action != "none")
    diff = plan.as_diff()
    assert diff["after"] == after
    assert (diff["before"] == diff["after"]) is (action == "none")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"push": "docker://r/x"}, "Cannot push a capsule"),
        ({"form": "oci", "push": "--help"}, "Cannot use '--help' as image's name"),
        ({"form": "oci", "push": "docker://r/x y"}, "Cannot use 'docker://r/x y'"),
        ({"generation": "0" * 16}, "Cannot export generation '0000000000000000' of VNFS 'debian': it is not published"),
        ({"generation": "../../x"}, "it is not published"),
    ],
)
def test_what_cannot_be_exported_is_refused(tmp_path: Path, options: dict[str, str], reason: str) -> None:
    vnfs = Vnfs(tmp_path / "debian")
    vnfs.rootfs.mkdir(parents=True)
    save_recipe(vnfs.recipe_file, RECIPE)
    with pytest.raises(PerceusError, match=reason):
        plan_export(vnfs, folder=tmp_path, runner=CommandRunner(), **options)
