# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of secrets: decided as a value that shows no content, then made."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._config import ClusterConfig
from .._errors import PerceusError
from .._files import locked
from .._names import parse_group_name, parse_vnfs_name
from .._nodes.declare import require_vnfs
from .._nodes.nodeset import select_nodes
from .._nodes.registry import Registry
from .._nodes.registry_file import load_registry
from .._vnfs.store import list_vnfs
from .secret import Secret, make_secret, parse_file
from .store import ALL, holder_file, load_secrets, save_secrets

FIELDS = ("file", "owner", "group", "mode", "place", "restart")


@dataclass(frozen=True)
class SecretPlan:
    """What becomes of one file's secret in a scope; ``before`` has it for each holder, None where it is not there."""

    scope: str
    file: str
    before: Mapping[str, Secret | None]
    after: Secret | None

    @property
    def changed(self) -> bool:
        return any(secret != self.after for secret in self.before.values())

    def as_diff(self) -> list[dict[str, str]]:
        """Return before and after of each holder for which it changes."""
        return [
            {
                "before_header": f"{self.file} ({' '.join((self.scope, holder)).strip()})",
                "after_header": f"{self.file} ({' '.join((self.scope, holder)).strip()})",
                "before": _shown(secret),
                "after": _shown(self.after, instead_of=secret),
            }
            for holder, secret in self.before.items()
            if secret != self.after
        ]


def change_secret(
    file: str, secret: Secret | None, config: ClusterConfig, *, scope: str, of: str | None, check: bool
) -> SecretPlan:
    """Have nodes of a scope be given this secret as ``file``, or none, unless this is a ``check``.

    Raises :class:`PerceusError` when nothing was changed.
    """
    parse_file(file)
    with contextlib.nullcontext() if check else locked(config.hostkeys_lock, what="the nodes' host keys and secrets"):
        holders = _find_holders(load_registry(config.registry), config, scope=scope, of=of, wanted=secret is not None)
        declared = {holder: load_secrets(holder_file(config.secrets, scope, holder)) for holder in holders}
        plan = SecretPlan(scope, file, {holder: known.get(file) for holder, known in declared.items()}, secret)
        for holder, known in declared.items():
            if check or known.get(file) == secret:
                continue
            others = {name: other for name, other in known.items() if name != file}
            changed = others if secret is None else {**others, file: secret}
            save_secrets(holder_file(config.secrets, scope, holder), changed)
    return plan


def take_secret(options: Mapping[str, Any]) -> Secret:
    """Return the secret that the module's options declare. Raises :class:`PerceusError` when they declare none."""
    values = {name: options[name] for name in FIELDS}
    return make_secret({**values, "content": _take_content(options)})


def _take_content(options: Mapping[str, Any]) -> bytes:
    if options["src"] is not None:
        try:
            return Path(options["src"]).read_bytes()
        except OSError as error:
            raise PerceusError(f"Cannot read {options['src']!r}: {error.strerror}") from error
    content = str(options["content"]).encode()
    if options["encoding"] == "text":
        return content
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise PerceusError(f"Cannot read the content of secret {options['file']!r}: it is not base64") from error


def _find_holders(
    registry: Registry, config: ClusterConfig, *, scope: str, of: str | None, wanted: bool
) -> tuple[str, ...]:
    """Return whose secrets are meant by ``scope`` and ``of``."""
    if scope == "all":
        return (ALL,)
    if of is None:
        raise PerceusError(f"Cannot tell which {scope} is meant", hint="Name it")
    if scope == "node":
        return tuple(node.name for node in select_nodes(of, registry))
    if scope == "group":
        return (parse_group_name(of),)
    if wanted:
        require_vnfs(of, [vnfs.name for vnfs in list_vnfs(config.store)], "the nodes of a secret")
    return (parse_vnfs_name(of),)


def _shown(secret: Secret | None, *, instead_of: Secret | None = None) -> str:
    """Return a secret as lines of text, which tell its content only from the one ``instead_of`` which it comes."""
    if secret is None:
        return ""
    other = ", others than before" if instead_of and instead_of.content != secret.content else ""
    lines = [
        f"owner: {secret.owner}:{secret.group}",
        f"mode: {secret.mode}",
        f"place: {secret.place}",
        f"restart: {' '.join(secret.restart) or 'none'}",
        f"content: {len(secret.content)} bytes{other}",
    ]
    return "".join(f"{line}\n" for line in lines)
