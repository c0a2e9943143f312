# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a published image, unpacked."""

from __future__ import annotations

from pathlib import Path

from ..._boot.images import HYBRID, ROOT
from ..._errors import PerceusError
from ..._process import Runner
from ..capsule.capsule import differing_name
from ..image.acls import ACLS
from ..image.manifest import Manifest, walk_tree
from ..phases import Phases, growth_on
from ..work.sandbox import MortalRunner, Sandbox
from .hybrid import TEXT_NAME


def unpack_image(image: Path, rootfs: Path, *, runner: Runner, phases: Phases) -> Manifest:
    """Unpack a published image to ``rootfs``, which must not exist, and return its manifest.

    Raises :class:`PerceusError` when the tree is not what the manifest says.
    """
    with phases.measured("unpack", sample=growth_on(rootfs.parent)):
        argv = ("unsquashfs", "-quiet", "-no-progress", "-dest", str(rootfs), str(image / ROOT))
        MortalRunner(runner)(argv)
        if (image / HYBRID).exists():
            MortalRunner(runner)((*argv[:-1], "-force", str(image / HYBRID)))
            for whiteout in rootfs.rglob(TEXT_NAME):
                whiteout.unlink()
        if (rootfs / ACLS).is_file():
            Sandbox(rootfs, runner)(("setfacl", f"--restore=/{ACLS}"))
    with phases.measured("verify"):
        manifest = walk_tree(rootfs)
        different = differing_name((image / "manifest.json").read_text(), manifest.render())
    if different is not None:
        raise PerceusError(
            f"Cannot unpack generation {image.name!r}: {different!r} is not what its manifest says",
            hint="Publish the tree again",
        )
    return manifest
