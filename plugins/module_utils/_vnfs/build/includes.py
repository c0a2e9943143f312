# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the master that are copied into a tree. None of them may be a secret."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._errors import PerceusError
from ..image.secrets import Detector
from ..recipe.check import NAME, check
from ..work.sandbox import Sandbox

_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_MODE = re.compile(r"[0-7]{3,4}", re.ASCII)


@dataclass(frozen=True)
class Include:
    """``src`` on the master becomes ``dest`` in the tree; ``sha256`` is of the content that is or is to be there."""

    src: str
    dest: str
    owner: str = "root"
    group: str = "root"
    mode: str = "0644"
    sha256: str = ""

    def __post_init__(self) -> None:
        for name in (self.src, self.dest):
            check("name of an included file", name, NAME)
        for name in (self.owner, self.group):
            check("owner of an included file", name, _OWNER)
        check("mode of an included file", self.mode, _MODE)


def digest_include(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an include with the digest of its file of now.

    Raises :class:`PerceusError` when that cannot be read, or is a secret.
    """
    src, content = str(fields["src"]), _read(str(fields["src"]))
    kind = Detector()(str(fields["dest"]).lstrip("/"), content)
    if kind:
        raise PerceusError(
            f"Cannot include {src!r}: it holds a {kind}", hint="Give nodes their secrets after they have booted"
        )
    return {**fields, "sha256": hashlib.sha256(content).hexdigest()}


def copy_include(include: Include, sandbox: Sandbox) -> None:
    """Write the file by a program inside the tree, so that no link of it leads outside.

    Raises :class:`PerceusError` when the file is not what it was when that was decided.
    """
    content = _read(include.src)
    if hashlib.sha256(content).hexdigest() != include.sha256:
        raise PerceusError(f"Cannot include {include.src!r}: it changed meanwhile", hint="Try again")
    owners = ("-o", include.owner, "-g", include.group, "-m", include.mode)
    sandbox(("install", "-D", "-T", *owners, "--", "/dev/stdin", include.dest), stdin=content)


def _read(src: str) -> bytes:
    try:
        return Path(src).read_bytes()
    except OSError as error:
        raise PerceusError(f"Cannot include {src!r}: {error.strerror}") from error
