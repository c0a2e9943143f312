# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a container image, from a registry or a folder on the master, by skopeo(1) and umoci(1)."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..._errors import PerceusError
from ..phases import growth_on
from ..recipe.check import CHECKSUM, check
from ..work.sandbox import MortalRunner
from .base import Source
from .order import Order

TAG = "image"  # of the image in our own layout

_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_REGISTRY = re.compile(rf"(docker://[a-z0-9][A-Za-z0-9./:_-]*?)(?::{_TAG})?", re.ASCII)
_LAYOUT = re.compile(rf"oci:/[A-Za-z0-9._/+-]+:{_TAG}", re.ASCII)


@dataclass(frozen=True)
class Oci(Source):
    """``image`` is a name of containers-transports(5), ``docker://REGISTRY/NAME`` or ``oci:FOLDER:TAG``.

    A tag may be another image tomorrow: ``digest``, that of the image's manifest, is what makes a recipe mean one tree.
    """

    type: ClassVar[str] = "oci"

    image: str
    digest: str = ""

    def __post_init__(self) -> None:
        check("image", self.image, _REGISTRY if self.image.startswith("docker:") else _LAYOUT)
        if not self.digest:
            raise PerceusError(
                f"Cannot use image {self.image!r} without a digest: tomorrow it may be another",
                hint="Pin it: skopeo inspect --format '{{.Digest}}' " + self.image,
            )
        check("digest", self.digest, CHECKSUM)

    @property
    def base_packages(self) -> None:
        """Of a container nearly everything is missing."""

    @property
    def kernel_package(self) -> None:
        """A container has none."""

    @property
    def reference(self) -> str:
        """The image as skopeo is asked for it: of a registry by its digest."""
        match = _REGISTRY.fullmatch(self.image)
        return f"{match[1]}@{self.digest}" if match else self.image

    def make_tree(self, target: Path, order: Order) -> None:
        run = MortalRunner(order.runner)
        manifest = run(["skopeo", "inspect", "--raw", self.reference]).stdout
        found = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
        if found != self.digest:
            raise PerceusError(
                f"Cannot use image {self.image!r}: its digest is {found}, not {self.digest}",
                hint="Give the digest of the image that you want",
            )
        with tempfile.TemporaryDirectory(prefix=".tmp.", dir=target.parent) as folder:
            layout = f"{folder}/layout"
            with order.phases.measured("fetch", sample=growth_on(target.parent)):
                run(["skopeo", "copy", "--quiet", self.reference, f"oci:{layout}:{TAG}"])
            with order.phases.measured("unpack", sample=growth_on(target.parent)):
                run(["umoci", "raw", "unpack", "--keep-dirlinks", f"--image={layout}:{TAG}", str(target)])
            _refuse_devices(target, self.image)


def _refuse_devices(rootfs: Path, image: str) -> None:
    """Raise :class:`PerceusError` for a device node outside /dev, whose content is in no image: nodes would have it."""
    for folder, folders, files in os.walk(rootfs):
        if Path(folder) == rootfs and "dev" in folders:
            folders.remove("dev")
        for name in files:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                member = os.path.relpath(os.path.join(folder, name), rootfs)
                raise PerceusError(f"Cannot use image {image!r}: {member!r} is a device", member=member)
