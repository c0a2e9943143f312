# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's modules, run as processes of their own, and their results held against their documentation."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import yaml

COMMON_VALUES = ("changed", "diff", "invocation", "warnings", "deprecations")  # of Ansible's modules


class Modules(ABC):
    """A place where modules run."""

    @abstractmethod
    def start(self, module: str, **options: Any) -> subprocess.Popen[str]:
        """Start a module; the process that is returned is the module itself."""

    def call(self, module: str, **options: Any) -> dict[str, Any]:
        """Run a module to its end and return its result, be it a failure."""
        with self.start(module, **options) as process:
            output, words = process.communicate(timeout=600)
        assert output, words
        result: dict[str, Any] = json.loads(output)
        return result

    def do(self, module: str, **options: Any) -> dict[str, Any]:
        """Run a module that must succeed, and return nothing but what its documentation says."""
        result = self.call(module, **options)
        assert not result.get("failed"), result
        assert list(_undocumented(result, _documented_values(module))) == []
        return result


@functools.cache
def _documented_values(module: str) -> dict[str, Any]:
    """A module's RETURN, and what all modules return."""
    found = importlib.import_module(f"ansible_collections.perceus.cluster.plugins.modules.{module}")
    documented: dict[str, Any] = yaml.safe_load(found.RETURN)
    return {**documented, **{key: {} for key in COMMON_VALUES}}


def _undocumented(values: dict[str, Any], documented: dict[str, Any], where: str = "") -> Iterator[str]:
    """Yield the keys of a result, and of what is in it, that RETURN does not have."""
    for key, value in values.items():
        if key not in documented:
            yield where + key
        elif contains := documented[key].get("contains"):
            for part in value if isinstance(value, list) else [value]:
                yield from _undocumented(part or {}, contains, f"{where}{key}.")
