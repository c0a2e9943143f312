# SPDX-License-Identifier: GPL-3.0-or-later
"""rsync skips just what a pattern matches."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.rsync import build_rules
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.patterns import compile_patterns
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PARTS = ("a", "b", "ab", "a b", "a*", "[", "\\", "a\\b", "a\nb", "ä", "-")
PATTERNS = st.lists(
    st.sampled_from(("**", "*", "?", "??", "a*", "*b", "[ab]", "[!a]*", "[a-b\\]", r"\a\*", r"\[", r"\\", *PARTS)),
    min_size=1,
    max_size=4,
).map(lambda names: "/" + "/".join(names))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every part in a folder of every part, as file and as folder."""
    root = tmp_path_factory.mktemp("tree")
    for outer in PARTS:
        for inner in PARTS:
            (root / outer / inner / "a").mkdir(parents=True)
            (root / outer / inner / "b").touch()
        (root / outer / "file").touch()
    return root


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=PATTERNS, folders_only=st.booleans())
@example(pattern="/**/a/**/b", folders_only=False)
@example(pattern="/a/**", folders_only=False)
def test_rsync_and_we_read_a_pattern_in_the_same_way(
    tree: Path, tmp_path: Path, pattern: str, folders_only: bool
) -> None:
    try:
        patterns = compile_patterns([pattern + "/" if folders_only else pattern])
    except PerceusError:
        return
    rules = [rule for rule in build_rules(patterns, []) if not rule.startswith("show ")]
    target = tmp_path / "target"
    filters = [f"--filter={rule}" for rule in rules]
    subprocess.run(["rsync", "-r", *filters, "--", f"{tree}/", f"{target}/"], check=True)
    kept = {
        str(path.relative_to(tree))
        for path in tree.rglob("*")
        if not patterns.match(str(path.relative_to(tree)), is_folder=path.is_dir())
    }
    copied = {str(path.relative_to(target)) for path in target.rglob("*")}
    shutil.rmtree(target)
    assert copied == kept


def test_what_is_skipped_is_not_deleted_either(tmp_path: Path) -> None:
    for name in ("from/var/log/service/deep", "to/var/log/old", "to/srv/own", "to/gone"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "from/var/log/service/x.log").touch()
    (tmp_path / "to/var/log/own.log").touch()
    rules = build_rules(compile_patterns(["/var/log/**", "/srv", "/var/log/service/deep"]), [])
    filters = [f"--filter={rule}" for rule in rules]
    subprocess.run(["rsync", "-r", "--delete", *filters, f"{tmp_path}/from/", f"{tmp_path}/to/"], check=True)
    left = sorted(str(path.relative_to(tmp_path / "to")) for path in (tmp_path / "to").rglob("*"))
    assert left == ["srv", "srv/own", "var", "var/log", "var/log/old", "var/log/own.log", "var/log/service"]
