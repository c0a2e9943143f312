# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import Manifest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.publish import (
    Plan,
    diff_images,
    plan_publish,
    render_additions,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import Recipe
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.mmdebstrap import Mmdebstrap
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs, flip

RECIPE = Recipe(Mmdebstrap("bookworm"), node_files="0" * 64)
A, B, C, D = (letter * 16 for letter in "abcd")


def plan(generation: str, *, current: str | None, published: tuple[str, ...], keep: int = 3) -> Plan:
    manifest = Manifest(entries=(), scrubbed=("etc/machine-id", "tmp/new\nline"))
    return Plan("debian", manifest, Options(keep=keep), "6.1.0", generation, current, published)


@pytest.mark.parametrize(
    ("current", "published", "action"),
    [(None, (), "publish"), (A, (A,), "publish"), (B, (A, B), "none"), (A, (A, B), "flip")],
)
def test_what_publishing_does(current: str | None, published: tuple[str, ...], action: str) -> None:
    assert plan(B, current=current, published=published).action == action


@pytest.mark.parametrize(
    ("generation", "published", "keep", "pruned"),
    [
        (D, (A, B, C), 3, (A,)),
        (D, (A, B, C), 1, (A, B, C)),
        (A, (A, B, C), 2, (B,)),  # current again though it is the oldest
        (A, (A, B, C), 3, ()),
        (D, (), 1, ()),
    ],
)
def test_the_oldest_go_and_the_served_one_never(
    generation: str, published: tuple[str, ...], keep: int, pruned: tuple[str, ...]
) -> None:
    assert plan(generation, current=None, published=published, keep=keep).pruned == pruned


def test_pruning_alone_is_a_change() -> None:
    assert plan(B, current=B, published=(A, B), keep=1).changed
    assert not plan(B, current=B, published=(A, B), keep=2).changed


def test_an_image_has_an_empty_machine_id_and_its_access_control_lists() -> None:
    first = plan(A, current=None, published=())
    image = Path("/image")
    assert render_additions(first, Path("/a b"), image) == ("-p", "etc/machine-id F 0 444 0 0 true")
    with_acls = replace(first, manifest=replace(first.manifest, acls="# file: x"))
    assert "usr/lib/perceus/acls F 0 444 0 0 cat '/a b'" in render_additions(with_acls, Path("/a b"), image)


def test_an_image_for_disks_has_what_boots_it() -> None:
    on_disk = replace(plan(A, current=None, published=()), options=Options(root_mode="disk"))
    added = render_additions(on_disk, Path("/acls"), Path("/i"))
    time = 0xAAAAAAA  # each generation's own, so that a livesync sees another file
    assert f"usr/lib/perceus/vmlinuz F {time} 444 0 0 cat /i/vmlinuz" in added
    assert f"usr/lib/perceus/initramfs.img F {time} 444 0 0 cat /i/initramfs.img" in added
    assert f"usr/lib/perceus/generation F {time} 444 0 0 echo generation={A}" in added


def test_a_diff_has_only_the_files_that_differ(tmp_path: Path) -> None:
    vnfs = Vnfs(tmp_path / "debian")
    same, old, new = (Entry(name, "file", 0o644, 0, 0, sha256=name * 8) for name in ("same", "old", "new"))
    (vnfs.images / A).mkdir(parents=True)
    (vnfs.images / A / "manifest.json").write_text(Manifest((old, same)).render())
    flip(vnfs, A)
    changed = Plan("debian", Manifest((new, same)), Options(), "6.1.0", B, A, (A,))
    diff = diff_images(changed, vnfs)
    assert diff["before"] == f"{old.render()}\n"
    assert diff["after"] == f"{new.render()}\n"


def test_a_vnfs_without_a_tree_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(PerceusError, match="Cannot use VNFS 'debian': it has no rootfs"):
        plan_publish(Vnfs(tmp_path / "debian"), RECIPE)


def tree(tmp_path: Path) -> Vnfs:
    vnfs = Vnfs(tmp_path / "debian")
    (vnfs.rootfs / "boot").mkdir(parents=True)
    (vnfs.rootfs / "boot/vmlinuz-6.1.0").touch()
    return vnfs


def test_a_tree_with_a_secret_is_not_published_unasked(tmp_path: Path) -> None:
    vnfs = tree(tmp_path)
    (vnfs.rootfs / "etc/munge").mkdir(parents=True)
    (vnfs.rootfs / "etc/munge/munge.key").write_text("0123456789")
    with pytest.raises(
        PerceusError, match=r"Cannot publish VNFS 'debian': it holds '/etc/munge/munge.key' \(munge key\)"
    ):
        plan_publish(vnfs, RECIPE)
    allowing = replace(RECIPE, options=Options(allow_secrets=("/etc/munge/*",)))
    assert [secret.kind for secret in plan_publish(vnfs, allowing).manifest.secrets] == ["munge key"]
    assert plan_publish(vnfs, replace(RECIPE, options=Options(exclude=("/etc/munge",)))).manifest.secrets == ()


def test_access_control_lists_need_the_tool_that_restores_them(tmp_path: Path) -> None:
    vnfs = tree(tmp_path)
    subprocess.run(["setfacl", "--modify", "user:1000:r", vnfs.rootfs / "boot"], check=True)
    with pytest.raises(PerceusError, match=r"'/boot' has an access control list.*Install the package acl"):
        plan_publish(vnfs, RECIPE)
    (vnfs.rootfs / "usr/bin").mkdir(parents=True)
    (vnfs.rootfs / "usr/bin/setfacl").touch()
    with pytest.raises(PerceusError, match="'/usr/lib/perceus' is no folder"):
        plan_publish(vnfs, RECIPE)
    (vnfs.rootfs / "usr/lib/perceus").mkdir(parents=True)
    assert plan_publish(vnfs, RECIPE).manifest.acls.startswith("# file: boot\n")
