# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.oci import Oci

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("docker://registry.example.org/debian", f"docker://registry.example.org/debian@{DIGEST}"),
        ("docker://registry.example.org/debian:12", f"docker://registry.example.org/debian@{DIGEST}"),
        ("docker://localhost:5000/a/b:12-slim", f"docker://localhost:5000/a/b@{DIGEST}"),
        ("docker://localhost:5000/a", f"docker://localhost:5000/a@{DIGEST}"),
        ("oci:/srv/images:debian", "oci:/srv/images:debian"),
    ],
)
def test_a_registry_is_asked_for_the_digest(image: str, reference: str) -> None:
    assert Oci(image, DIGEST).reference == reference


def test_a_tag_alone_is_refused_and_told_how_to_be_pinned() -> None:
    with pytest.raises(PerceusError, match=r"without a digest.*skopeo inspect --format '\{\{\.Digest\}\}' oci:/i:t"):
        Oci("oci:/i:t")


@pytest.mark.parametrize(
    ("image", "digest"),
    [
        ("docker://a/b@sha256:12", DIGEST),
        ("docker-daemon:a:b", DIGEST),
        ("dir:/etc", DIGEST),
        ("oci:relative:t", DIGEST),
        ("oci:/a", DIGEST),
        ("oci:/a b:t", DIGEST),
        ("--help", DIGEST),
        ("docker://--x", DIGEST),
        ("docker://a/b", "md5:12"),
        ("docker://a/b", DIGEST.upper()),
    ],
)
def test_hostile_values_are_refused(image: str, digest: str) -> None:
    with pytest.raises(PerceusError, match="Cannot use"):
        Oci(image, digest)
