# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two generations of a VNFS, or a generation and the tree: packages and files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..._errors import PerceusError
from ..._process import Runner
from ..image.entry import Entry
from .content import Content
from .packages import Installed

CONTENT_FIELDS = frozenset({"kind", "size", "sha256", "target", "device"})

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:^_-]*", re.ASCII)

IsOlder = Callable[[str, str], bool]


@dataclass(frozen=True)
class PackageChange:
    """``change`` is ``added``, ``removed``, ``upgraded`` or ``downgraded``; a version is None where there is none."""

    name: str
    arch: str
    change: str
    before: str | None
    after: str | None

    def render(self) -> str:
        versions = " -> ".join(version for version in (self.before, self.after) if version)
        return f"{self.change:10}  {self.name} ({self.arch})  {versions}"


@dataclass(frozen=True)
class FileChange:
    """``change`` is ``added``, ``removed``, ``content`` or ``metadata``; ``differing`` names what does so in its entry.

    ``before`` and ``after`` are sizes in bytes, None where there is no file.
    """

    name: str
    change: str
    before: int | None
    after: int | None
    differing: tuple[str, ...] = ()

    def render(self) -> str:
        sizes = " -> ".join(str(size) for size in dict.fromkeys((self.before, self.after)) if size)
        words = (f"{self.change:10}", repr(f"/{self.name}"), sizes and f"{sizes} bytes", ", ".join(self.differing))
        return "  ".join(word for word in words if word)


@dataclass(frozen=True)
class Difference:
    """``before`` and ``after`` name what was compared."""

    before: str
    after: str
    packages: tuple[PackageChange, ...]
    files: tuple[FileChange, ...]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many packages and files of each change there are."""
        return {
            "packages": dict(Counter(change.change for change in self.packages)),
            "files": dict(Counter(change.change for change in self.files)),
        }

    def render(self) -> str:
        """Return the difference for people to read."""
        lines = [f"--- {self.before}", f"+++ {self.after}"]
        changes: Sequence[Sequence[PackageChange | FileChange]] = (self.packages, self.files)
        for (what, counts), found in zip(self.counts.items(), changes):
            summary = ", ".join(f"{count} {change}" for change, count in sorted(counts.items()))
            lines += [f"{what}: {summary or 'no difference'}", *(f"  {change.render()}" for change in found)]
        return "".join(f"{line}\n" for line in lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as a module's result shows it."""
        return {
            "before": self.before,
            "after": self.after,
            "packages": [asdict(change) for change in self.packages],
            "files": [asdict(change) for change in self.files],
            "counts": self.counts,
        }


def diff_contents(before: Content, after: Content, *, runner: Runner) -> Difference:
    """Compare two contents; versions are compared by the program that installs the packages."""
    is_older = _rpm_order(runner) if after.installed.kind == "rpm" else _dpkg_order(runner)
    return Difference(
        before=f"{before.vnfs} {before.label}",
        after=f"{after.vnfs} {after.label}",
        packages=tuple(diff_packages(before.installed, after.installed, is_older=is_older)),
        files=tuple(diff_files(before.manifest.entries, after.manifest.entries)),
    )


def diff_packages(before: Installed, after: Installed, *, is_older: IsOlder) -> Iterator[PackageChange]:
    """Yield what became of each package. Several versions side by side, such as kernels of rpm, come and go."""
    old, new = _versions(before), _versions(after)
    for name, arch in sorted({*old, *new}):
        gone, come = sorted(old[name, arch] - new[name, arch]), sorted(new[name, arch] - old[name, arch])
        if len(old[name, arch]) == len(new[name, arch]) == len(gone) == 1:
            change = "upgraded" if is_older(gone[0], come[0]) else "downgraded"
            yield PackageChange(name, arch, change, gone[0], come[0])
            continue
        yield from (PackageChange(name, arch, "removed", version, None) for version in gone)
        yield from (PackageChange(name, arch, "added", None, version) for version in come)


def _versions(installed: Installed) -> defaultdict[tuple[str, str], set[str]]:
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for package in installed.packages:
        found[package.name, package.arch].add(package.version)
    return found


def diff_files(before: Iterable[Entry], after: Iterable[Entry]) -> Iterator[FileChange]:
    """Yield what became of each file, by name."""
    old, new = ({entry.name: entry for entry in entries} for entries in (before, after))
    for name in sorted({*old, *new}):
        was, is_now = old.get(name), new.get(name)
        if was is None or is_now is None:
            change = "added" if was is None else "removed"
            yield FileChange(name, change, was.size if was else None, is_now.size if is_now else None)
        elif was != is_now:
            differing = tuple(
                field.name for field in fields(Entry) if getattr(was, field.name) != getattr(is_now, field.name)
            )
            change = "metadata" if CONTENT_FIELDS.isdisjoint(differing) else "content"
            yield FileChange(name, change, was.size, is_now.size, differing)


def _dpkg_order(runner: Runner) -> IsOlder:
    def is_older(before: str, after: str) -> bool:
        _check(before, after)
        return runner(["dpkg", "--compare-versions", before, "lt", after], expected=(0, 1)).status == 0

    return is_older


def _rpm_order(runner: Runner) -> IsOlder:
    def is_older(before: str, after: str) -> bool:
        _check(before, after)
        said = runner(["rpm", "--eval", f"%{{lua: print(rpm.ver('{before}') < rpm.ver('{after}'))}}"])
        return said.stdout.strip() == "true"

    return is_older


def _check(*versions: str) -> None:
    for version in versions:
        if not _VERSION.fullmatch(version):
            raise PerceusError(f"Cannot compare version {version!r}: not in the form of one")
