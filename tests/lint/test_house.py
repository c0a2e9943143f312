# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

Sources = Callable[..., list[Path]]

LONGEST_FILE = 400  # lines; past that it is a house with one room
LONGEST_MODULE = 110  # lines of code below the documentation: contract and wiring
NETWORK_PROGRAMS = {"curl", "nc", "ncat", "ping", "rsync", "scp", "sftp", "ssh", "ssh-keyscan", "wget"}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def count_code_lines(module: Path) -> int:
    """The lines from the first import on; Ansible's documentation stands before it."""
    imports = [
        node.lineno
        for node in parse(module).body
        if isinstance(node, (ast.Import, ast.ImportFrom)) and getattr(node, "module", None) != "__future__"
    ]
    return len(module.read_text().splitlines()) - min(imports) + 1


def find_shells(path: Path) -> Iterator[str]:
    """The calls that hand a string to a shell."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.keyword) and node.arg in {"shell", "use_unsafe_shell"}:
            yield f"{path}:{node.value.lineno}"


def find_network_commands(path: Path) -> Iterator[str]:
    """The argument lists that start with a program which opens connections."""
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
            first = node.elts[0]
            if isinstance(first, ast.Constant) and first.value in NETWORK_PROGRAMS:
                yield f"{path}:{node.lineno}"


def find_imports(path: Path) -> Iterator[str]:
    """The modules that a file imports by their full names."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)


def test_no_python_file_is_longer_than_a_room(sources: Sources) -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in sources("*.py")}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_modules_are_contract_and_wiring(sources: Sources) -> None:
    lengths = {path.name: count_code_lines(path) for path in sources("plugins/modules/*.py")}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_nothing_hands_a_string_to_a_shell(sources: Sources) -> None:
    assert [place for path in sources("*.py") for place in find_shells(path)] == []


def test_every_program_says_its_licence(sources: Sources) -> None:
    """The first lines of each file that holds code."""
    bare = [
        str(path)
        for path in sources("*.py", "*.sh", "Makefile")
        if (text := path.read_text()) and "SPDX-License-Identifier: GPL-3.0-or-later" not in text[:300]
    ]
    assert bare == []


def test_shared_code_is_private(sources: Sources) -> None:
    """The public face is modules, plugins, roles and playbooks; module_utils may change at any time."""
    folder = "plugins/module_utils/"
    names = {str(path).partition(folder)[2].split("/")[0] for path in sources(f"{folder}*.py")}
    assert [name for name in sorted(names) if not name.startswith("_")] == []


def test_shared_code_knows_nothing_of_ansible(sources: Sources) -> None:
    """The same files are the package ``perceus`` on the master, where there is no Ansible: relative imports only."""
    imports = [(path, name) for path in sources("plugins/module_utils/*.py") for name in find_imports(path)]
    assert [f"{path}: {name}" for path, name in imports if name.startswith("ansible")] == []


def test_the_master_needs_the_standard_library_only(installed: Path, tmp_path: Path) -> None:
    """Its programs are imported as they are there: by the system's Python, which sees no installed package."""
    shutil.copytree(installed / "plugins" / "module_utils", tmp_path / "perceus")
    programs = [f"perceus._master.{path.stem}" for path in (tmp_path / "perceus" / "_master").glob("*.py")]
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {', '.join(programs)}"
    subprocess.run(["/usr/bin/python3", "-I", "-S", "-c", code], check=True)


def test_only_the_lab_reaches_into_its_network(sources: Sources) -> None:
    """A node's address typed outside the lab's namespaces would leave this machine: one wrapper enters them."""
    outside = [path for path in sources("tests/lab/*.py", "molecule/*.py") if "molecule/lab" not in str(path)]
    assert [place for path in outside for place in find_network_commands(path)] == []


def test_modules_support_check_and_diff_mode(installed: Path) -> None:
    """What ``ansible-doc`` tells an operator about every module; and where it runs, and what a second run does."""
    names = [f"perceus.cluster.{path.stem}" for path in (installed / "plugins" / "modules").glob("[!_]*.py")]
    listing = subprocess.run(["ansible-doc", "--json", *names], stdout=subprocess.PIPE, text=True, check=True)
    lacking = [
        f"{name}: {mode}"
        for name, documentation in json.loads(listing.stdout).items()
        for mode in ("check_mode", "diff_mode")
        if documentation["doc"].get("attributes", {}).get(mode, {}).get("support") not in {"full", "N/A"}
    ]
    lacking += [
        f"{name}: {attribute}"
        for name, documentation in json.loads(listing.stdout).items()
        for attribute in ("idempotent", "platform")
        if attribute not in documentation["doc"].get("attributes", {})
    ]
    assert lacking == []
