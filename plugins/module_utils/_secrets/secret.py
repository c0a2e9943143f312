# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret: a file that a running node gets over ssh, and what it is like there; and the text that keeps some of them.

One secret a line, so that people see what is there; the content is base64.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .._errors import PerceusError

MEMORY, ROOT = "memory", "root"
PLACES = (MEMORY, ROOT)
LARGEST = 1024 * 1024  # bytes

_FORMAT = {"format": "perceus-secrets", "version": 1}
_FILE = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[!-.0-~]+)+", re.ASCII)
_KERNELS = re.compile(r"/(?:dev|proc|run|sys)/")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}|[0-9]{1,9}", re.ASCII)
_MODE = re.compile(r"[0-7]{3,4}", re.ASCII)
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]{1,200}\.[a-z]{1,20}", re.ASCII)


@dataclass(frozen=True)
class Secret:
    """``file`` is its name on the node. ``place`` says where it really lies: in ``memory`` that is never swapped, with
    a link to it, or in the ``root`` file system. The units of ``restart`` are restarted when it comes or changes.
    """

    file: str
    content: bytes = field(repr=False)
    owner: str = "root"
    group: str = "root"
    mode: str = "0400"
    place: str = MEMORY
    restart: tuple[str, ...] = ()


def parse_file(value: str) -> str:
    """Return ``value`` if a secret may have this name on a node."""
    if not _FILE.fullmatch(value) or _KERNELS.match(value):
        raise PerceusError(
            f"Cannot use {value!r} as the file of a secret: not a plain absolute name",
            hint="Write a name such as /etc/krb5.keytab, outside /dev, /proc, /run and /sys",
        )
    return value


def make_secret(values: Mapping[str, Any]) -> Secret:
    """Return the secret with these fields. Raises :class:`PerceusError`, which never shows the content."""
    secret = Secret(**{**values, "restart": tuple(values["restart"])})
    file = parse_file(secret.file)
    for what, value, pattern in (
        ("owner", secret.owner, _ACCOUNT),
        ("group", secret.group, _ACCOUNT),
        ("mode", secret.mode, _MODE),
        *(("unit", unit, _UNIT) for unit in secret.restart),
    ):
        if not pattern.fullmatch(value):
            raise PerceusError(f"Cannot use {value!r} as {what} of secret {file!r}")
    if secret.place not in PLACES:
        raise PerceusError(f"Cannot put secret {file!r} into {secret.place!r}", hint=f"Use one of {', '.join(PLACES)}")
    if not 0 < len(secret.content) <= LARGEST:
        raise PerceusError(f"Cannot keep secret {file!r}: its {len(secret.content)} bytes are none, or more than 1 MiB")
    return secret


def render_secrets(secrets: Iterable[Secret]) -> str:
    """Return the text that keeps them."""
    entries = [
        json.dumps({**asdict(secret), "content": base64.b64encode(secret.content).decode()})
        for secret in sorted(secrets, key=lambda secret: secret.file)
    ]
    head = json.dumps(_FORMAT)[1:-1]
    return f'{{{head}, "secrets": [\n' + ",\n".join(entries) + "\n]}\n"


def parse_secrets(text: str, *, what: str) -> tuple[Secret, ...]:
    """Return what ``text`` keeps. Raises :class:`PerceusError`, which names the text ``what`` and shows none of it."""
    try:
        found = json.loads(text)
        if {key: found[key] for key in _FORMAT} != _FORMAT:
            raise PerceusError(f"Cannot read secrets in {what!r}: another format", hint="Update the collection")
        return tuple(
            make_secret({**entry, "content": base64.b64decode(entry["content"], validate=True)})
            for entry in found["secrets"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PerceusError(f"Cannot read secrets in {what!r}: it is damaged", hint="Set its secrets again") from error


def digest(secrets: Iterable[Secret]) -> str:
    """Return what tells one set of secrets from another, in hex; none have the empty one."""
    chosen = list(secrets)
    return hashlib.sha256(render_secrets(chosen).encode()).hexdigest() if chosen else ""
