# SPDX-License-Identifier: GPL-3.0-or-later
"""A role is a contract: its argument_specs and its defaults say the same, in its own name space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path.parent.parent for path in (Path(__file__).parents[2] / "roles").glob("*/tasks/main.yml"))

each_role = pytest.mark.parametrize("role", ROLES, ids=[role.name for role in ROLES])


def load_mapping(path: Path) -> dict[str, Any]:
    """A YAML file's mapping; empty when there is no such file."""
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


def load_options(role: Path) -> dict[str, dict[str, Any]]:
    """The options of all of a role's entry points."""
    specs = load_mapping(role / "meta" / "argument_specs.yml")["argument_specs"]
    return {name: option for entry in specs.values() for name, option in entry.get("options", {}).items()}


def find_unvalidated_templates(tasks: Path) -> Iterator[str]:
    """The template tasks, in blocks too, without ``validate`` and without a comment beside the module's name."""
    lines = tasks.read_text().splitlines()
    pending = [yaml.compose(tasks.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                pending.append(value)
                if key.value == "ansible.builtin.template" and "validate" not in {
                    option.value for option, _ in value.value
                }:
                    line = key.start_mark.line
                    if "#" not in lines[line]:
                        yield f"{tasks}:{line + 1}"


@each_role
def test_optional_variables_have_the_default_that_the_specification_says(role: Path) -> None:
    optional = {
        name: option.get("default") for name, option in load_options(role).items() if not option.get("required")
    }
    assert load_mapping(role / "defaults" / "main.yml") == optional


@each_role
def test_every_variable_carries_the_name_of_its_role(role: Path) -> None:
    names = set(load_options(role))
    for path in [*role.glob("defaults/*.yml"), *role.glob("vars/*.yml")]:
        names.update(load_mapping(path))
    assert [name for name in sorted(names) if not name.startswith((f"{role.name}_", f"__{role.name}_"))] == []


@each_role
def test_every_option_is_described_and_typed(role: Path) -> None:
    assert [name for name, option in load_options(role).items() if not {"description", "type"} <= set(option)] == []


@each_role
def test_every_rendered_configuration_is_validated_by_its_reader(role: Path) -> None:
    """Only files that no program of their reader's can check are exempt, and say so in a comment on the task."""


@each_role
def test_every_rendered_file_is_validated_by_its_reader_or_says_why_not(role: Path) -> None:
    assert [place for path in role.glob("tasks/*.yml") for place in find_unvalidated_templates(path)] == []
