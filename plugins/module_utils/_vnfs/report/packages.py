# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages that are installed in a tree, and ``packages.json``, which keeps them beside each image.

The master's own dpkg-query(1) and rpm(8) read a copy of the tree's database: no link of the tree is followed outside,
nothing of the tree is run, whatever its architecture, and nothing is written there, as SQLite does even for a query.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..._errors import PerceusError
from ..._process import Runner
from ..build.apt import Distribution, load_distribution
from ..work.sandbox import chase

FORMAT = "perceus-packages"
VERSION = 1
OS_RELEASE = "/etc/os-release"
DPKG_STATUS = "/var/lib/dpkg/status"
RPM_DATABASES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
UNKNOWN = Distribution("linux")

_DPKG_FIELDS = (
    "db:Status-Status",
    "Package",
    "Version",
    "Architecture",
    "source:Package",
    "source:Version",
    "Installed-Size",
    "Maintainer",
)
_DPKG_FORMAT = "\\t".join(f"${{{field}}}" for field in _DPKG_FIELDS) + "\\n"
_RPM_VERSION = "%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}"
_RPM_FORMAT = f"%{{NAME}}\\t{_RPM_VERSION}\\t%{{ARCH}}\\t%{{SOURCERPM}}\\t%{{LONGSIZE}}\\t%{{VENDOR}}\\t%{{LICENSE}}\\n"
_DPKG_ABSENT = frozenset({"not-installed", "config-files"})
_RPM_NOTHING = "(none)"
_SOURCE_RPM = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm")


@dataclass(frozen=True)
class Package:
    """One installed package. ``size`` is what it takes in the tree, in bytes; texts are empty where nothing is said.

    ``version`` has epoch and release as the distribution writes them; ``licence`` is the package's own word.
    """

    name: str
    version: str
    arch: str
    source: str = ""
    source_version: str = ""
    size: int = 0
    maintainer: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Installed:
    """All packages of a tree, by name. ``kind`` is ``deb`` or ``rpm``, empty when there is no package database."""

    kind: str
    distribution: Distribution
    packages: tuple[Package, ...]

    def render(self) -> str:
        """Return ``packages.json``: JSON with one package a line."""
        head = {"format": FORMAT, "version": VERSION, "kind": self.kind, "distribution": asdict(self.distribution)}
        said = [{key: value for key, value in asdict(package).items() if value} for package in self.packages]
        lines = ",\n".join(json.dumps(package, ensure_ascii=False) for package in said)
        return f'{json.dumps(head)[:-1]}, "packages": [\n{lines}\n]}}\n'


def parse_installed(text: str) -> Installed:
    """Turn the text of ``packages.json`` into packages. Raises ValueError when it is not of that format."""
    document: Any = json.loads(text)
    try:
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"not of format {FORMAT!r} {VERSION}")
        distribution = Distribution(**document["distribution"])
        return Installed(document["kind"], distribution, tuple(Package(**fields) for fields in document["packages"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not of format {FORMAT!r}: {error}") from error


def load_installed(rootfs: Path, *, runner: Runner) -> Installed:
    """Ask the tree's package database, dpkg's or rpm's. Raises :class:`PerceusError` when it cannot be read."""
    with tempfile.TemporaryDirectory(prefix="perceus-packages-") as name:
        folder = Path(name)
        distribution = UNKNOWN
        if _copy(rootfs, OS_RELEASE, folder / "os-release"):
            distribution = _parse_os_release(folder / "os-release")
        packages: Sequence[Package] = ()
        if _copy(rootfs, DPKG_STATUS, folder / "status"):
            argv = ["dpkg-query", f"--admindir={folder}", "--show", f"--showformat={_DPKG_FORMAT}"]
            packages = parse_dpkg(runner(argv).stdout)
        if packages:
            return Installed("deb", distribution, _sorted(packages))
        if any(_copy_folder(rootfs, database, folder / "rpm") for database in RPM_DATABASES):
            packages = parse_rpm(runner(["rpm", f"--dbpath={folder}/rpm", "-qa", "--qf", _RPM_FORMAT]).stdout)
        return Installed("rpm" if packages else "", distribution, _sorted(packages))


def _sorted(packages: Iterable[Package]) -> tuple[Package, ...]:
    return tuple(sorted(packages, key=lambda package: (package.name, package.arch, package.version)))


def parse_dpkg(text: str) -> list[Package]:
    """Return what dpkg-query(1) says is there, less what is removed but for its configuration."""
    packages = []
    for status, name, version, arch, source, source_version, size, maintainer in _records(text, fields=8):
        if status not in _DPKG_ABSENT:
            kibibytes = int(size) if size.isdecimal() else 0
            packages.append(Package(name, version, arch, source, source_version, kibibytes * 1024, maintainer))
    return packages


def parse_rpm(text: str) -> list[Package]:
    """Return what rpm(8) says is there, less the public keys that it keeps as packages."""
    packages = []
    for record in _records(text, fields=7):
        name, version, arch, file, size, vendor, licence = ("" if word == _RPM_NOTHING else word for word in record)
        built_from = _SOURCE_RPM.fullmatch(file)
        source, source_version = built_from.groups() if built_from else ("", "")
        if name != "gpg-pubkey":
            packages.append(Package(name, version, arch, source, source_version, int(size or 0), vendor, licence))
    return packages


def _records(text: str, *, fields: int) -> Iterator[list[str]]:
    """Yield the fields of each line; the last may have tabs."""
    for line in text.split("\n")[:-1]:
        record = line.split("\t", fields - 1)
        if len(record) != fields:
            raise PerceusError(f"Cannot read the tree's packages: {line!r} does not describe one")
        yield record


def _parse_os_release(file: Path) -> Distribution:
    try:
        return load_distribution(file)
    except ValueError:  # not in the form of os-release(5)
        return UNKNOWN


def _copy(rootfs: Path, name: str, target: Path) -> bool:
    """Copy a file of the tree, found as a program inside finds it, and return whether there is one."""
    inside = chase(rootfs, name)
    try:
        descriptor = os.open(rootfs / inside[1:], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise PerceusError(f"Cannot read {inside!r} in {str(rootfs)!r}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream, target.open("wb") as copy:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PerceusError(f"Cannot read {inside!r} in {str(rootfs)!r}: not a plain file")
        shutil.copyfileobj(stream, copy)
    return True


def _copy_folder(rootfs: Path, name: str, target: Path) -> bool:
    """Copy the plain files of a folder of the tree, and return whether there is any."""
    inside = chase(rootfs, name)
    try:
        names = [entry.name for entry in os.scandir(rootfs / inside[1:]) if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return False
    target.mkdir(exist_ok=True)
    for file in names:
        _copy(rootfs, f"{inside}/{file}", target / file)
    return bool(names)
