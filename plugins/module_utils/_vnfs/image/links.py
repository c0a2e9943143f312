# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbolic links of a tree that lead elsewhere when the tree, or a part of it, is seen under another root."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ..._errors import PerceusError
from ..store import Vnfs, refuse_mounts
from ..work.sandbox import chase
from .patterns import Patterns

# What is there only while a system runs, so that a link to it is what it should be.
LIVING = ("/dev", "/proc", "/run", "/sys", "/tmp")  # noqa: S108 - where links lead


@dataclass(frozen=True)
class Link:
    """``kind`` is ``dangling`` for a link to nothing, ``escapes`` for one that climbs above the root, ``absolute``
    for one to a name that begins there. ``name`` is relative to the root.
    """

    name: str
    target: str
    kind: str


@dataclass(frozen=True)
class Plan:
    """The links that were found, and the new targets, by name, of those that are made relative."""

    vnfs: str
    links: tuple[Link, ...]
    relative: dict[str, str]

    @property
    def changed(self) -> bool:
        return bool(self.relative)

    def as_links(self) -> list[dict[str, str | None]]:
        """Return each link, with its new target if it gets one."""
        return [{**asdict(link), "relative": self.relative.get(link.name)} for link in self.links]

    def as_diff(self) -> dict[str, str]:
        before = [f"{link.name} -> {link.target}\n" for link in self.links if link.name in self.relative]
        after = [f"{name} -> {target}\n" for name, target in self.relative.items()]
        return {
            "before_header": self.vnfs,
            "after_header": self.vnfs,
            "before": "".join(before),
            "after": "".join(after),
        }


def plan_links(vnfs: Vnfs, relative: Patterns) -> Plan:
    """Find links, and decide which are made relative: those that a pattern names and that lead somewhere."""
    vnfs.require_tree()
    links = audit_links(vnfs.rootfs)
    chosen = {
        link.name: make_relative(link.name, link.target)
        for link in links
        if link.kind != "dangling" and relative.match(link.name, is_folder=False)
    }
    return Plan(vnfs.name, tuple(links), chosen)


def apply_links(plan: Plan, vnfs: Vnfs) -> None:
    """Replace links as planned, each at once, with its owner and time; needs the lock."""
    refuse_mounts(vnfs.rootfs, "change")
    for name, target in plan.relative.items():
        link = vnfs.rootfs / name
        beside = link.with_name(f".{link.name[:200]}.perceus")
        try:
            status = link.lstat()
            os.symlink(target, beside)
            os.lchown(beside, status.st_uid, status.st_gid)
            os.utime(beside, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
            os.replace(beside, link)
        except OSError as error:
            raise PerceusError(f"Cannot make the link {name!r} relative: {error.strerror}") from error


def audit_links(rootfs: Path) -> list[Link]:
    """Return the links of a tree that do not hold under another root, by name."""
    found = [Link(name, target, kind) for name, target in _walk(rootfs) if (kind := _judge(rootfs, name, target))]
    return sorted(found, key=lambda link: os.fsencode(link.name))


def _walk(rootfs: Path) -> Iterator[tuple[str, str]]:
    """Yield each link that is in images, with its target."""
    for folder, folders, files in os.walk(rootfs):
        inside = PurePosixPath("/", PurePosixPath(folder).relative_to(rootfs))
        if str(inside) in LIVING:
            folders.clear()
            continue
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                yield str(inside / name)[1:], os.readlink(path)


def _judge(rootfs: Path, name: str, target: str) -> str | None:
    try:
        found = chase(rootfs, f"/{name}")
    except PerceusError:  # it leads to itself
        return "dangling"
    if f"{found}/".startswith(tuple(f"{folder}/" for folder in LIVING)):
        return None
    if not os.path.lexists(rootfs / found[1:]):
        return "dangling"
    if target.startswith("/"):
        return "absolute"
    return "escapes" if _count_climbing(_parts(target)) > name.count("/") else None


def make_relative(name: str, target: str) -> str:
    """Return the target that leads where ``target`` leads from ``name``, without the root.

    The folders of ``name`` are real ones, so that what they share with the target may be left out.
    """
    folder, parts = _parts(name)[:-1], _parts(target)
    climbing = _count_climbing(parts)
    base = [] if target.startswith("/") else folder[: max(0, len(folder) - climbing)]
    wanted = base + parts[climbing:]
    shared = 0
    while shared < min(len(folder), len(wanted) - 1) and folder[shared] == wanted[shared]:
        shared += 1
    return "/".join([".."] * (len(folder) - shared) + wanted[shared:]) or "."


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def _count_climbing(parts: Sequence[str]) -> int:
    """How many ``..`` there are at the beginning."""
    return next((index for index, part in enumerate(parts) if part != ".."), len(parts))
