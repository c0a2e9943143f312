# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import (
    Recipe,
    load_recipe,
    parse_recipe,
    plain_recipe,
    plan_vnfs,
    save_recipe,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap
from hypothesis import given
from hypothesis import strategies as st

SOURCE = Mmdebstrap(suite="bookworm")
RECIPE = Recipe(
    source=SOURCE,
    packages=("sudo",),
    authorized_keys=("ssh-ed25519 AAAA me",),
    root_password_hash="$y$j9T$salt$hash",  # noqa: S106
    node_files="0" * 64,
)


def test_a_recipe_comes_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "vnfs.yml"
    save_recipe(file, RECIPE)
    assert load_recipe(file) == RECIPE
    assert file.stat().st_mode & 0o777 == 0o600


@given(st.lists(st.from_regex(r"\A[a-z0-9][a-z0-9.+-]{0,9}[a-z0-9+]\Z"), max_size=4), st.text(max_size=20))
def test_names_that_yaml_might_read_otherwise_survive(
    tmp_path_factory: pytest.TempPathFactory, packages: list[str], key: str
) -> None:
    """``on``, ``1e3`` and ``0x10`` are packages' names too."""
    file = tmp_path_factory.mktemp("recipe") / "vnfs.yml"
    try:
        recipe = replace(RECIPE, packages=tuple(packages), authorized_keys=(key,))
    except PerceusError:
        return
    save_recipe(file, recipe)
    assert load_recipe(file) == recipe


def test_there_may_be_no_recipe(tmp_path: Path) -> None:
    assert load_recipe(tmp_path / "vnfs.yml") is None


@pytest.mark.parametrize(
    "text", ["", "a: [", "- 1", "source: 1", "source: {type: tape}", "source: {type: mmdebstrap}", "\0"]
)
def test_what_is_no_recipe_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "vnfs.yml"
    file.write_text(text)
    with pytest.raises(PerceusError, match=r"Cannot (read|use|take)"):
        load_recipe(file)


@pytest.mark.parametrize(
    "change",
    [
        {"packages": ("-o=x",)},
        {"packages": ("sudo-",)},
        {"packages": ("a,b",)},
        {"kernel_package": "/tmp/evil.deb"},
        {"base_packages": ("a b",)},
        {"authorized_keys": ("a\nb",)},
        {"root_password_hash": "plain"},
        {"root_password_hash": "$6$a:0:0"},
    ],
)
def test_hostile_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match="Cannot use"):
        replace(RECIPE, **change)


def test_a_refused_hash_is_not_repeated() -> None:
    with pytest.raises(PerceusError) as caught:
        replace(RECIPE, root_password_hash="secret")  # noqa: S106
    assert "secret" not in str(caught.value)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(PerceusError, match="'sute'"):
        parse_recipe({**plain_recipe(RECIPE), "sute": "bookworm"})


@pytest.mark.parametrize(
    ("current", "wanted", "from_scratch", "action"),
    [
        (None, RECIPE, False, "build"),
        (None, RECIPE, True, "build"),
        (RECIPE, RECIPE, False, "none"),
        (RECIPE, RECIPE, True, "rebuild"),
        (RECIPE, replace(RECIPE, packages=("sudo", "tmux")), False, "update"),
        (RECIPE, replace(RECIPE, node_files="1" * 64), False, "update"),
        (RECIPE, replace(RECIPE, source=Mmdebstrap(suite="trixie")), True, "rebuild"),
        (RECIPE, None, False, "remove"),
        (None, None, False, "none"),
    ],
)
def test_what_a_change_asks_for(current: Recipe | None, wanted: Recipe | None, from_scratch: bool, action: str) -> None:
    plan = plan_vnfs("debian", current, wanted, from_scratch=from_scratch)
    assert (plan.action, plan.changed) == (action, action != "none")


def test_only_missing_packages_are_installed() -> None:
    plan = plan_vnfs("debian", RECIPE, replace(RECIPE, packages=("tmux", "sudo", "vim-tiny")))
    assert plan.missing_packages == ("tmux", "vim-tiny")


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "trixie"},
        {"mirror": "http://m/"},
        {"components": ("main", "contrib")},
        {"variant": "apt"},
    ],
)
def test_the_source_is_not_changed_unasked(change: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match=f"Cannot change {next(iter(change))} of VNFS 'debian'"):
        plan_vnfs("debian", RECIPE, replace(RECIPE, source=replace(SOURCE, **change)))


@pytest.mark.parametrize(
    "change", [{"kernel_package": "linux-image-cloud-amd64"}, {"base_packages": ()}, {"source_date_epoch": 1}]
)
def test_the_foundation_is_not_changed_unasked(change: dict[str, Any]) -> None:
    with pytest.raises(PerceusError, match=f"Cannot change {next(iter(change))} of VNFS 'debian'"):
        plan_vnfs("debian", RECIPE, replace(RECIPE, **change))


def test_options_alone_leave_the_tree_alone() -> None:
    options = plan_vnfs("debian", RECIPE, replace(RECIPE, options=Options(keep=5)))
    packages = plan_vnfs("debian", RECIPE, replace(RECIPE, packages=("sudo", "tmux")))
    assert (options.action, options.configures) == ("update", False)
    assert packages.configures


def test_each_package_is_asked_for_once_and_an_empty_kernel_not_at_all() -> None:
    recipe = replace(RECIPE, base_packages=("curl", "sudo"), kernel_package="")
    assert recipe.all_packages() == ("curl", "sudo")
    assert "linux-image-amd64" in RECIPE.all_packages()


def test_a_diff_shows_the_change_and_no_hash() -> None:
    diff = plan_vnfs("debian", RECIPE, replace(RECIPE, packages=("sudo", "tmux"))).as_diff()
    before, after = diff["before"].splitlines(), diff["after"].splitlines()
    assert [line for line in after if line not in before] == ["- tmux"]
    assert "root_password_hash: (hidden)" in after
    assert "salt" not in str(diff)
