# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.overrides import (
    FILE,
    Overrides,
    load_overrides,
    parse_overrides,
)
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options, resolve
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import (
    Recipe,
    load_recipe,
    save_recipe,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap

OVERRIDES: dict[str, Any] = {
    "groups": {"gpu": {"kernel_args": "from=group", "livesync_skip": ["/var/lib/gpu"]}},
    "nodes": {"n101": {"kernel_args": "from=node"}},
}
OPTIONS = Options(kernel_args="from=vnfs", overrides=OVERRIDES)


def test_the_most_particular_value_holds_and_its_origin_is_told() -> None:
    assert resolve(OPTIONS, group="gpu", node="n101") == {
        "kernel_args": ("from=node", "node"),
        "livesync_skip": (["/var/lib/gpu"], "group"),
        "disk": ({}, "default"),
    }
    assert resolve(OPTIONS, group="gpu", node="n102")["kernel_args"] == ("from=group", "group")
    of_others = resolve(OPTIONS, group="compute")
    assert (of_others["kernel_args"], of_others["livesync_skip"]) == (("from=vnfs", "vnfs"), ((), "default"))


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"racks": {}},
        {"groups": []},
        {"groups": {"gpu": "quiet"}},
        {"groups": {"gpu": {"keep": 1}}},
        {"groups": {"gpu": {"kernel_args": 1}}},
        {"groups": {"gpu": {"kernel_args": "a && reboot"}}},
        {"groups": {"gpu": {"livesync_skip": "/var"}}},
        {"groups": {"gpu": {"livesync_skip": ["var"]}}},
        {"groups": {"../etc": {}}},
        {"nodes": {"a;reboot": {}}},
    ],
)
def test_what_is_no_override_is_refused(value: Any) -> None:
    with pytest.raises(PerceusError, match=r"^Cannot "):
        Options(overrides=value)


def test_the_file_follows_the_recipe(tmp_path: Path) -> None:
    assert load_overrides(tmp_path) == Overrides()
    recipe = Recipe(Mmdebstrap("bookworm"), node_files="0" * 64, options=OPTIONS)
    save_recipe(tmp_path / "vnfs.yml", recipe)
    assert load_recipe(tmp_path / "vnfs.yml") == recipe
    assert load_overrides(tmp_path) == parse_overrides(OVERRIDES)
    save_recipe(tmp_path / "vnfs.yml", replace(recipe, options=Options()))
    assert load_overrides(tmp_path) == Overrides()


@pytest.mark.parametrize("text", ["", "[]", '{"nodes": {"n101": 1}}'])
def test_a_broken_file_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(PerceusError, match=r"^Cannot "):
        load_overrides(tmp_path)
