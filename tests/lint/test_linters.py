# SPDX-License-Identifier: GPL-3.0-or-later
"""Each linter is one test; what they check stands in pyproject.toml, .yamllint and .ansible-lint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def test_python_is_formatted(content: Callable[..., None]) -> None:
    content("ruff", "format", "--diff", ".")


def test_python_is_clean(content: Callable[..., None]) -> None:
    content("ruff", "check", "--output-format=concise", ".")


def test_plugins_need_no_newer_python_than_a_node_has(content: Callable[..., None]) -> None:
    content("vermin", "--quiet", "--violations", "--eval-annotations", "--no-parse-comments", "-t=3.9-", "plugins")


def test_plugins_are_typed(content: Callable[..., None]) -> None:
    """As they are installed: the shared code is imported by its full name."""
    content("mypy", "-p", "ansible_collections.perceus.cluster.plugins")


def test_tests_and_lab_are_typed(content: Callable[..., None]) -> None:
    content("mypy", "tests", "molecule")


def test_yaml_is_clean(content: Callable[..., None]) -> None:
    content("yamllint", "--strict", "--format=parsable", ".")


def test_ansible_content_is_clean(content: Callable[..., None]) -> None:
    content("ansible-lint", "--offline", "--nocolor", "-q")


def test_shell_scripts_are_clean(content: Callable[..., None], sources: Callable[..., list[Path]]) -> None:
    """What a script sources lies inside a node's first stage."""
    content("shellcheck", "--exclude=SC1091", *map(str, sources("*.sh", ".ci/run")))


def test_changelog_fragments_are_clean(content: Callable[..., None]) -> None:
    content("antsibull-changelog", "lint")
