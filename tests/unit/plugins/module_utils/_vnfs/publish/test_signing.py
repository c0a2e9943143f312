# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import CommandError, PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.renaming import RenamePlan, apply_rename
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.signing import load_signer, sign_image
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import Vnfs

SUMS = "# generation 0123456789abcdef\n" + "ab" * 32 + "  rootfs.squashfs\n"


@pytest.fixture
def key(tmp_path: Path) -> str:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return str(file)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "SHA256SUMS").write_text(SUMS)
    return folder


def verify(image: Path, signer: str) -> bool:
    (image.parent / "allowed_signers").write_text(signer)
    names = ("-f", str(image.parent / "allowed_signers"), "-I", "perceus-image", "-n", "perceus-image")
    argv = ["ssh-keygen", "-Y", "verify", *names, "-s", str(image / "SHA256SUMS.sig")]
    return subprocess.run(argv, input=(image / "SHA256SUMS").read_bytes(), check=False).returncode == 0


def test_ssh_keygen_verifies_what_was_signed_and_nothing_else(image: Path, key: str) -> None:
    sign_image(image, key, runner=CommandRunner())
    assert verify(image, load_signer(key))
    (image / "SHA256SUMS").write_text(SUMS.replace("ab", "cd"))
    assert not verify(image, load_signer(key))


def test_without_a_key_nothing_is_signed(image: Path) -> None:
    sign_image(image, "", runner=CommandRunner())
    assert (load_signer(""), [file.name for file in image.iterdir()]) == ("", ["SHA256SUMS"])


def test_a_key_that_is_not_there_is_named_and_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(PerceusError, match=r"is no public key .* Make a key: ssh-keygen -t ed25519 -N '' -f /"):
        load_signer(str(tmp_path / "missing"))


def test_a_key_that_cannot_sign_signs_nothing(image: Path, key: str) -> None:
    Path(key).write_text("no key")
    with pytest.raises(CommandError):
        sign_image(image, key, runner=CommandRunner())
    assert not (image / "SHA256SUMS.sig").exists()


def test_a_renamed_vnfs_is_signed_under_its_new_name(tmp_path: Path, key: str) -> None:
    vnfs, target = Vnfs(tmp_path / "old"), Vnfs(tmp_path / "new")
    image = vnfs.images / "0123456789abcdef"
    image.mkdir(parents=True)
    (image / "image.json").write_text(json.dumps({"vnfs": "old", "options": {"signing_key": key}}))
    (image / "SHA256SUMS").write_text(f"{SUMS}{'0' * 64}  image.json\n")
    apply_rename(RenamePlan(vnfs, target, "rename"), runner=CommandRunner())
    renamed = target.images / image.name
    assert f"{'0' * 64}  image.json" not in (renamed / "SHA256SUMS").read_text()
    assert verify(renamed, load_signer(key))
