# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that must be signed: real keys, real nginx, and the first stage as it is."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.signing import load_signer, sign_image

GENERATION = "0123456789abcdef"


@pytest.fixture
def signed(stage: Any, tmp_path: Path) -> Any:
    """Called with a key's name and a generation, signs the image so; the first stage insists on the key ``own``."""
    image = stage.config.store / "debian/current"

    def sign(name: str = "own", generation: str = GENERATION) -> None:
        key = tmp_path / name
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        digest = hashlib.sha256((image / "rootfs.squashfs").read_bytes()).hexdigest()
        (image / "SHA256SUMS").write_text(f"# generation {generation}\n{digest}  rootfs.squashfs\n")
        sign_image(image, str(key), runner=CommandRunner())

    sign()
    (stage.folder / "allowed_signers").write_text(load_signer(str(tmp_path / "own")))
    stage.reconcile()
    return sign


def told(stage: Any) -> list[tuple[str, str]]:
    return [(report.stage, report.detail) for report in stage.reports()]


def test_the_sum_comes_from_the_signed_list_and_not_from_the_command_line(stage: Any, signed: Any) -> None:
    assert signed
    (script,) = stage.config.state_dir.glob("boot/*-*.ipxe")
    right = hashlib.sha256((stage.config.store / "debian/current/rootfs.squashfs").read_bytes()).hexdigest()
    script.write_text(script.read_text().replace(right, "0" * 64))
    assert (stage.boot() / "etc/motd").read_text() == "of the image\n"
    assert [name for name, _detail in told(stage)] == ["fetch", "verified", "pivot"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"name": "stranger"}, "Could not verify signature"),
        ({"generation": "f" * 16}, "signed for another generation"),
    ],
)
def test_what_another_signed_or_for_another_generation_is_refused(
    stage: Any, signed: Any, wrong: dict[str, str], why: str
) -> None:
    signed(**wrong)
    stage.boot_mended("refused", signed)
    detail = next(detail for name, detail in told(stage) if name == "refused")
    assert detail.startswith("signature: 10.17.0.1: ") and why in detail
    assert told(stage)[-1][0] == "pivot"


def test_an_unsigned_image_is_not_booted(stage: Any, signed: Any) -> None:
    (stage.config.store / "debian/current/SHA256SUMS.sig").unlink()
    stage.boot_mended("retry", signed)
    assert next(detail for name, detail in told(stage) if name == "retry").endswith("error: 404")
    assert [name for name, _detail in told(stage)][-2:] == ["verified", "pivot"]
