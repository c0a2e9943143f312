# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.apt import Distribution
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.manifest import Manifest
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.content import Content, Header
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.packages import Installed, Package
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.sbom import make_sbom, plan_file, render_purl
from hypothesis import given, settings
from hypothesis import strategies as st
from packageurl import PackageURL
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

DEBIAN, ROCKY = Distribution("debian", "bookworm", "12"), Distribution("rocky", "", "9.4")
HEADER = Header("a" * 16, "2030-01-01T00:00:00Z", "6.1", "", "overlay", {"rootfs.squashfs": {"sha256": "b" * 64}}, 1, 1)
TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=12)
PACKAGES = st.builds(Package, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(0), TEXTS, TEXTS)


def content(*packages: Package, kind: str = "deb", header: Header | None = HEADER) -> Content:
    installed = Installed(kind, DEBIAN if kind == "deb" else ROCKY, packages)
    label = header.generation if header else "tree"
    return Content("debian", label, "2030-01-01T00:00:00Z", Manifest(()), installed, header)


def problems(document: dict[str, Any]) -> list[str]:
    """What SPDX's own validator finds wrong."""
    parsed = JsonLikeDictParser().parse(document)  # type: ignore[no-untyped-call]
    return [message.validation_message for message in validate_full_spdx_document(parsed)]


@pytest.mark.parametrize("header", [HEADER, None])
@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_documents_are_valid(kind: str, header: Header | None) -> None:
    packages = [
        Package("libstdc++6", "12.2.0-14", "amd64", "gcc-12", "12.2.0-14", 1, "GCC Team <gcc@lists.debian.org>"),
        Package("libstdc--6", "1:12.2.0-14", "amd64"),
        Package("libstdc--6", "1:12.2.0-15", "amd64", licence="GPLv3+ and more"),
    ]
    document = make_sbom(content(*packages, kind=kind, header=header))
    assert problems(document) == []
    assert len(document["packages"]) == 4


@settings(max_examples=30)
@given(st.lists(PACKAGES, max_size=3, unique_by=lambda package: (package.name, package.version, package.arch)))
def test_no_package_makes_a_document_invalid(packages: list[Package]) -> None:
    assert problems(make_sbom(content(*packages))) == []


def test_the_system_has_the_checksum_of_what_nodes_boot() -> None:
    system = make_sbom(content())["packages"][0]
    assert (system["name"], system["versionInfo"]) == ("debian", "a" * 16)
    assert system["checksums"] == [{"algorithm": "SHA256", "checksumValue": "b" * 64}]
    assert "checksums" not in make_sbom(content(header=None))["packages"][0]


def test_another_content_has_another_namespace() -> None:
    first, again, other = (make_sbom(content(Package("a", version, "all"))) for version in ("1", "1", "2"))
    assert first == again
    assert first["documentNamespace"] != other["documentNamespace"]


@pytest.mark.parametrize(
    ("kind", "version", "purl"),
    [
        ("deb", "1:12.2-1+b1", "pkg:deb/debian/libstdc%2B%2B6@1:12.2-1%2Bb1?arch=amd64&distro=debian-12"),
        ("rpm", "2:1.0~rc1-1.el9", "pkg:rpm/rocky/libstdc%2B%2B6@1.0~rc1-1.el9?arch=amd64&distro=rocky-9.4&epoch=2"),
    ],
)
def test_package_urls_are_in_their_canonical_form(kind: str, version: str, purl: str) -> None:
    package = Package("libstdc++6", version, "amd64")
    found = render_purl(package, kind=kind, distribution=DEBIAN if kind == "deb" else ROCKY)
    assert found == purl == PackageURL.from_string(purl).to_string()


def test_a_document_is_written_once(tmp_path: Path) -> None:
    file = tmp_path / "debian.spdx.json"
    first = plan_file(file, make_sbom(content()))
    assert (first.changed, first.as_diff()["before"]) == (True, "")
    first.apply()
    assert not plan_file(file, make_sbom(content())).changed
    assert plan_file(file, make_sbom(content(Package("a", "1", "all")))).changed


def test_a_document_is_not_written_nowhere(tmp_path: Path) -> None:
    with pytest.raises(PerceusError, match="its folder does not exist"):
        plan_file(tmp_path / "absent/debian.spdx.json", {})
    with pytest.raises(PerceusError, match="Cannot read"):
        plan_file(tmp_path, {})
