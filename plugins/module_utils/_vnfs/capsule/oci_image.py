# SPDX-License-Identifier: GPL-3.0-or-later
"""A VNFS as an OCI image of one layer, made by umoci(1) in a layout, a folder, and taken to a registry by skopeo(1).

Extended attributes, among them access control lists, are in the tar headers. The same tree gives the same digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from ..._errors import PerceusError
from ..._process import Runner
from ..image.manifest import Manifest
from ..recipe.check import CHECKSUM, check
from ..work.sandbox import MortalRunner
from .archive import naming_the_cause
from .capsule import PACKING, find_checksum, name_files, write_made

SUFFIX = ".oci"
EPOCH = "1970-01-01T00:00:00Z"  # an image of the same content is the same image, whenever it was made

# docker://registry.example:5000/compute/debian:12, or oci:/srv/layout:tag
_REFERENCE = re.compile(r"docker://[A-Za-z0-9][A-Za-z0-9._:/-]*|oci:/[A-Za-z0-9._/-]+(?::[A-Za-z0-9._-]+)?", re.ASCII)


def parse_reference(text: str) -> str:
    """Return the name of an image in skopeo's words, if it is one in a registry or a layout."""
    check("image's name", text, _REFERENCE)
    return text


def pack_image(manifest: Manifest, *, rootfs: Path, scratch: Path, layout: Path, tag: str, runner: Runner) -> None:
    """Make a layout with one image of what the manifest has of a tree; ``scratch`` takes the layer for a while."""
    run = MortalRunner(runner)
    layer, image = scratch / "layer.tar", f"{layout}:{tag}"
    made = write_made(scratch / "made")
    argv = ["tar", "--create", f"--file={layer}", *PACKING, "-C", str(rootfs), "--null", "--files-from=-"]
    with naming_the_cause(f"write {str(layer)!r}"):
        run([*argv, "-C", str(scratch / "made"), *made], stdin=name_files(manifest))
    for step in build_umoci_argvs(layout, image=image, layer=layer, tag=tag):
        run(step)


def build_umoci_argvs(layout: Path, *, image: str, layer: Path, tag: str) -> Sequence[list[str]]:
    """Return the command lines that make a layout from a layer."""
    created = f"--history.created={EPOCH}"
    return (
        ["umoci", "init", "--layout", str(layout)],
        ["umoci", "new", "--image", image],
        ["umoci", "raw", "add-layer", created, "--image", image, str(layer)],
        [
            *("umoci", "config", created, f"--created={EPOCH}", f"--config.label=perceus.generation={tag}"),
            *("--config.cmd=/sbin/init", "--image", image),
        ],
        ["umoci", "gc", "--layout", str(layout)],
    )


def find_digest(layout: Path) -> str | None:
    """Return the digest of a layout's image, None unless it is there with each blob whole."""
    try:
        digest = str(json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"])
        blobs = [blob for blob in (layout / "blobs/sha256").iterdir() if find_checksum(blob) == f"sha256:{blob.name}"]
        manifest = json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())
        needed = {digest, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None
    return digest if needed <= {f"sha256:{blob.name}" for blob in blobs} else None


def find_pushed(reference: str, *, runner: Runner) -> str | None:
    """Return the digest that an image has where it is to be pushed to, None when there is none, or no answer."""
    done = MortalRunner(runner)(("skopeo", "inspect", "--format", "{{.Digest}}", reference), expected=(0, 1, 2))
    found = done.stdout.strip()
    return found if CHECKSUM.fullmatch(found) else None


def push_image(layout: Path, reference: str, *, tag: str, runner: Runner) -> None:
    """Copy the image to a registry, or another layout. Its credentials are those that root has given skopeo."""
    MortalRunner(runner)(("skopeo", "copy", "--quiet", "--preserve-digests", f"oci:{layout}:{tag}", reference))


def require_digest(layout: Path) -> str:
    """Return the digest of an image that must be whole."""
    digest = find_digest(layout)
    if digest is None:
        raise PerceusError(f"Cannot use {str(layout)!r} as an OCI layout: a blob is missing or broken")
    return digest
