# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that setfacl(1) reads, by setfacl itself."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import ACCESS, DEFAULT
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import Manifest, walk_tree

NAMES = ("plain", "a b", " lead", "trail ", "new\nline", "tab\t", "back\\slash", "\\041", "#hash", "schön",
         "latin\udce4", "cr\r", "-minus", "x" * 255)  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "folder").mkdir(parents=True)
    (root / "folder").chmod(0o3775)
    setfacl("-m", "default:group:1234:rwx", "--", root / "folder")
    for name in NAMES:
        (root / name).touch()
        setfacl("-m", "user:4321:r-x,mask::rwx", "--", root / name)
    (root / "plain").chmod(0o4711)
    (root / "none").touch()
    setfacl("-m", "group:77:---", "--", root)
    return root


def setfacl(*arguments: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(["setfacl", *arguments], cwd=cwd, check=True)


def restore(text: str, tree: Path, tmp_path: Path) -> Manifest:
    """Strip the tree of its lists, as squashfs does, give it those of ``text``, and look at it again."""
    (tmp_path / "acls").write_bytes(os.fsencode(text))
    for path in (tree, *tree.iterdir()):
        mode = stat.S_IMODE(path.stat().st_mode)
        setfacl("--remove-all", "--", path)
        path.chmod(mode)
    assert walk_tree(tree).acls == ""
    setfacl(f"--restore={tmp_path / 'acls'}", cwd=tree)
    return walk_tree(tree)


def test_every_list_comes_back_on_every_name(tree: Path, tmp_path: Path) -> None:
    before = walk_tree(tree)
    assert restore(before.acls, tree, tmp_path).entries == before.entries


def test_a_list_is_written_as_getfacl_writes_it(tree: Path) -> None:
    said = subprocess.run(
        ["getfacl", "--numeric", "--", *NAMES, "folder"], cwd=tree, stdout=subprocess.PIPE, check=True
    ).stdout
    lines = os.fsdecode(said).split("\n")
    files = {line for line in lines if line.startswith("# file: ") and " lead" not in line and "\\\\" not in line}
    assert files <= set(walk_tree(tree).acls.split("\n"))
    folder = [line for line in lines[lines.index("# file: folder") :] if not line.startswith(("# owner", "# group"))]
    assert "\n".join(folder) in walk_tree(tree).acls


def test_a_tree_without_lists_has_no_text(tmp_path: Path) -> None:
    assert walk_tree(tmp_path).acls == ""


def test_a_list_makes_another_generation(tree: Path) -> None:
    before = walk_tree(tree)
    setfacl("-m", "user:1:r", "--", tree / "none")
    assert walk_tree(tree).generation(()) != before.generation(())
    setfacl("--remove-all", "--", tree / "none")
    assert walk_tree(tree).generation(()) == before.generation(())
    (entry,) = [entry for entry in before.entries if entry.name == "folder"]
    assert [name for name, _ in entry.xattrs] == [DEFAULT]
    assert ACCESS in dict(before.entries[0].xattrs)
