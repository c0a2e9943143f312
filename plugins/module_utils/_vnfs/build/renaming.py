# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a VNFS that nothing boots another name.

Its name is in the header of each generation and in the URLs that nodes have: one that is in use is cloned instead.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ..._errors import PerceusError
from ..._files import sync_folder, write_atomically
from ..._process import Runner
from ..image.manifest import hash_stream
from ..publish.signing import SUMS, sign_image
from ..report.content import load_header
from ..store import Vnfs, list_generations, refuse_mounts
from ..work.session import refuse_others
from .usage import refuse_users

HEADER = "image.json"


@dataclass(frozen=True)
class RenamePlan:
    """``vnfs`` becomes ``target``."""

    vnfs: Vnfs
    target: Vnfs
    action: str

    @property
    def changed(self) -> bool:
        return self.action != "none"

    def as_diff(self) -> dict[str, str]:
        before = self.vnfs if self.changed else self.target
        return {"before": f"{before.name}\n", "after": f"{self.target.name}\n"}


def plan_rename(vnfs: Vnfs, target: Vnfs, *, config: Path) -> RenamePlan:
    """Decide; needs both locks, writes nothing. One that is not there and whose new name is, was renamed before."""
    if os.path.lexists(target.folder):
        if vnfs.folder.is_dir():
            raise PerceusError(
                f"Cannot rename VNFS {vnfs.name!r} to {target.name!r}: there is one of that name",
                hint="Use another name",
                vnfs=vnfs.name,
            )
        return RenamePlan(vnfs, target, "none")
    if not vnfs.folder.is_dir():
        raise PerceusError(f"Cannot rename VNFS {vnfs.name!r}: there is none of that name", vnfs=vnfs.name)
    refuse_others(vnfs, "rename")
    refuse_mounts(vnfs.folder, "rename")
    refuse_users(config, vnfs.name, "rename", hint="Have them boot another VNFS, such as a clone of it, first")
    for generation in list_generations(vnfs):
        load_header(vnfs, generation)
    return RenamePlan(vnfs, target, "rename")


def apply_rename(plan: RenamePlan, *, runner: Runner) -> None:
    """Write the new name into the headers, then rename; needs both locks. Cut short, it can be done again."""
    if not plan.changed:
        return
    for generation in list_generations(plan.vnfs):
        _rename_image(plan.vnfs.images / generation, plan.target.name, runner)
    if plan.vnfs.mounted.exists():
        os.replace(plan.vnfs.mounted, plan.target.mounted)
    os.rename(plan.vnfs.folder, plan.target.folder)
    sync_folder(plan.target.folder.parent)


def _rename_image(image: Path, name: str, runner: Runner) -> None:
    header = {**json.loads((image / HEADER).read_bytes()), "vnfs": name}
    write_atomically(image / HEADER, json.dumps(header, indent=1) + "\n")
    with (image / HEADER).open("rb") as stream:
        digest = hash_stream(stream)
    lines = (image / SUMS).read_text().splitlines()
    sums = [f"{digest}  {HEADER}" if line.endswith(f"  {HEADER}") else line for line in lines]
    write_atomically(image / SUMS, "".join(f"{line}\n" for line in sums))
    sign_image(image, header.get("options", {}).get("signing_key", ""), runner=runner)
