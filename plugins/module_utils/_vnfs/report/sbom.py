# SPDX-License-Identifier: GPL-3.0-or-later
"""The software bill of materials of a VNFS: SPDX 2.3 as JSON, the same for the same content.

Format: https://spdx.github.io/spdx-spec/v2.3/ and, for packages' names, https://github.com/package-url/purl-spec
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ..._boot.images import ROOT
from ..._errors import PerceusError
from ..._files import write_atomically
from ..build.apt import Distribution
from .content import Content
from .packages import Installed, Package

SPDX_VERSION = "SPDX-2.3"
TOOL = "perceus.cluster"
UNSAID = "NOASSERTION"
SYSTEM = "SPDXRef-System"
NAMESPACE = uuid.UUID("5f0a1e2e-6f0c-5c49-9d0a-52a1c2f6b1d7")  # of the ids below, no other meaning

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9.-]")
_MAINTAINER = re.compile(r"\s*([^<>()]*[^<>()\s])\s*(?:<([^<>()\s]+)>)?\s*")


@dataclass(frozen=True)
class Plan:
    """What writing the document does. ``before`` is the file's text, empty when there is none."""

    file: Path
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def as_diff(self) -> dict[str, str]:
        header = str(self.file)
        return {"before_header": header, "after_header": header, "before": self.before, "after": self.after}

    def apply(self) -> None:
        write_atomically(self.file, self.after)


def plan_file(file: Path, sbom: Mapping[str, Any]) -> Plan:
    """Decide whether the document has to be written; raises :class:`PerceusError` when it cannot be."""
    try:
        before = file.read_text(errors="replace")
    except FileNotFoundError:
        before = ""
    except OSError as error:
        raise PerceusError(f"Cannot read {str(file)!r}: {error.strerror}") from error
    if not file.parent.is_dir():
        raise PerceusError(f"Cannot write {str(file)!r}: its folder does not exist", hint="Make it first")
    return Plan(file, before, render_sbom(sbom))


def render_sbom(sbom: Mapping[str, Any]) -> str:
    """Return the text of the document."""
    return json.dumps(sbom, indent=1, ensure_ascii=False) + "\n"


def make_sbom(content: Content) -> dict[str, Any]:
    """Return the SPDX document: the system, and each installed package as a part of it."""
    installed = content.installed
    parts = [_describe(package, installed) for package in installed.packages]
    relationships = [
        _relate("SPDXRef-DOCUMENT", "DESCRIBES", SYSTEM),
        *(_relate(SYSTEM, "CONTAINS", part["SPDXID"]) for part in parts),
    ]
    name = f"{content.vnfs}-{content.label}"
    identity = uuid.uuid5(NAMESPACE, "\n".join((name, content.created, installed.render())))
    return {
        "spdxVersion": SPDX_VERSION,
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{identity}",
        "creationInfo": {"created": content.created, "creators": [f"Tool: {TOOL}"]},
        "packages": [_describe_system(content), *parts],
        "relationships": relationships,
    }


def _relate(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}


def _describe_system(content: Content) -> dict[str, Any]:
    """The VNFS itself: of a generation, the file that nodes boot, with its checksum."""
    described = {
        "SPDXID": SYSTEM,
        "name": content.vnfs,
        "versionInfo": content.label,
        "downloadLocation": UNSAID,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    }
    if content.header is not None:
        sha256 = content.header.files[ROOT]["sha256"]
        described.update(packageFileName=ROOT, checksums=[{"algorithm": "SHA256", "checksumValue": sha256}])
    return described


def _describe(package: Package, installed: Installed) -> dict[str, Any]:
    purl = render_purl(package, kind=installed.kind, distribution=installed.distribution)
    identity = _NOT_IN_ID.sub("-", f"{package.name}-{package.arch}")
    described = {
        "SPDXID": f"SPDXRef-Package-{identity}-{uuid.uuid5(NAMESPACE, purl).hex[:8]}",
        "name": package.name,
        "versionInfo": package.version,
        "supplier": _supplier(package.maintainer),
        "downloadLocation": UNSAID,
        "filesAnalyzed": False,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl},
        ],
    }
    if package.source:
        described["sourceInfo"] = f"built from {package.source} {package.source_version}".rstrip()
    if package.licence:
        described["licenseComments"] = f"The package says: {package.licence}"
    return described


def _supplier(maintainer: str) -> str:
    """Packages name a person or a team, and do not say which; brackets have a meaning of their own here."""
    found = _MAINTAINER.fullmatch(maintainer)
    if found is None:
        return UNSAID
    address = f" ({found[2]})" if found[2] else ""
    return f"Organization: {found[1]}{address}"


def render_purl(package: Package, *, kind: str, distribution: Distribution) -> str:
    """Return the package URL; an epoch is part of a Debian version, and a qualifier of an RPM."""
    version, qualifiers = package.version, {"arch": package.arch}
    if kind == "rpm" and ":" in version:
        qualifiers["epoch"], version = version.split(":", 1)
    release = distribution.version or distribution.codename  # as scanners of vulnerabilities have it
    qualifiers["distro"] = f"{distribution.name}-{release}" if release else distribution.name
    words = (distribution.name, package.name, version)
    namespace, name, encoded = (quote(word, safe=":") for word in words)
    return f"pkg:{kind}/{namespace}/{name}@{encoded}?{urlencode(sorted(qualifiers.items()), quote_via=quote)}"
