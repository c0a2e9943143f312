# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a master that is another machine: one document, over one connection of ssh or https."""

from __future__ import annotations

import gzip
import os
import re
import ssl
import time
import zlib
from dataclasses import replace
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import SplitResult, urlsplit

from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url
from ansible_collections.perceus.cluster.plugins.module_utils._errors import CommandError, PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._inventory.snapshot import Snapshot, parse_snapshot
from ansible_collections.perceus.cluster.plugins.module_utils._names import is_operators_variable
from ansible_collections.perceus.cluster.plugins.module_utils._process import Runner

# Fixed words, which every login shell and a forced command in authorized_keys take alike.
COMMAND = "env PYTHONPATH=/usr/local/lib/perceus/perceus.zip python3 -m perceus._master inventory"
DEFAULT_PATH = "/inventory"
STALE = 300  # seconds after which the master should have written its document anew
CHUNK = 1024 * 1024  # bytes
LARGEST = 1024 * 1024 * 1024  # bytes; about two million nodes

_REMEDIES = {
    401: "Is the token one of the master's?",
    404: "Was the playbook inventory_serve run on the master, and is the path right?",
}
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,1000}={0,2}", re.ASCII)  # RFC 6750


def load_remote_snapshot(url: str, *, token: str, ca_file: Path | None, timeout: float, runner: Runner) -> Snapshot:
    """Return the inventory of the master at ``url``; raises :class:`PerceusError`. ``timeout`` is in seconds."""
    master = parse_master(url)
    if master.scheme == "ssh":
        return parse_remote_snapshot(read_by_ssh(master, timeout=timeout, runner=runner), url)
    document, warnings = read_by_https(master, token=token, ca_file=ca_file, timeout=timeout)
    snapshot = parse_remote_snapshot(document, url)
    return replace(snapshot, warnings=(*snapshot.warnings, *warnings))


def parse_remote_snapshot(document: str | bytes, url: str) -> Snapshot:
    """Return what the master at ``url`` says, less the variables by which it could run programs here.

    Raises :class:`PerceusError`.
    """
    snapshot = parse_snapshot(document, source=repr(url))
    refused = sorted(
        {name for machine in snapshot.machines for name in filter(is_operators_variable, machine.variables)}
    )
    if not refused:
        return snapshot
    warning = PerceusError(
        f"Cannot take over {', '.join(refused)} from {url}: it decides where and how Ansible runs programs",
        hint="Set such variables beside the inventory source, in group_vars or host_vars",
    )
    machines = tuple(
        replace(machine, variables={name: machine.variables[name] for name in machine.variables if name not in refused})
        for machine in snapshot.machines
    )
    return replace(snapshot, machines=machines, warnings=(*snapshot.warnings, str(warning)))


def parse_master(url: str) -> SplitResult:
    """Return the parts of ``ssh://[USER@]HOST[:PORT]`` or ``https://HOST[:PORT][/PATH]``."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("ssh", "https") and _HOST.fullmatch(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        hint = "Write ssh://root@master.example.org or https://master.example.org/inventory"
        raise PerceusError("Cannot use the option 'master': it is no URL of ssh or https", hint=hint)
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        raise PerceusError(
            "Cannot use the option 'master': it holds a password or user", hint="Use ssh keys, or the option 'token'"
        )
    if parts.scheme == "ssh" and (
        parts.path not in ("", "/") or (parts.username is not None and not _USER.fullmatch(parts.username))
    ):
        raise PerceusError("Cannot use the option 'master': ssh takes a user, a host and a port only")
    return parts


def read_by_ssh(master: SplitResult, *, timeout: float, runner: Runner) -> str:
    """Run the master's own program there and return what it prints. ssh is configured as the user has it."""
    agent = {name: os.environ[name] for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS") if name in os.environ}
    try:
        return runner(build_ssh_argv(master, timeout=timeout), timeout=timeout, env=agent).stdout
    except CommandError as error:
        words = str(error.details.get("stderr", "")).strip().splitlines()
        raise PerceusError(
            f"Cannot read the inventory of {master.geturl()!r}: {words[-1].strip() if words else error.msg}",
            hint="See what 'ssh -o BatchMode=yes' says, and whether playbooks/site.yml was run on the master",
        ) from error


def build_ssh_argv(master: SplitResult, *, timeout: float) -> list[str]:
    """Return what runs :data:`COMMAND` on the master. It never asks: who waits for an inventory answers nothing."""
    options = {"BatchMode": "yes", "ConnectTimeout": f"{max(1, timeout):.0f}", "ClearAllForwardings": "yes"}
    return [
        *("ssh", "-T"),
        *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
        *(("-l", master.username) if master.username else ()),
        *(("-p", str(master.port)) if master.port else ()),
        *("--", str(master.hostname), COMMAND),
    ]


def read_by_https(
    master: SplitResult, *, token: str, ca_file: Path | None, timeout: float
) -> tuple[bytes, tuple[str, ...]]:
    """Fetch the master's document; return it, and a warning when it is old.

    ``token`` goes into the request alone, and not to where a redirection might lead: none is followed.
    """
    if not _TOKEN.fullmatch(token):
        raise PerceusError(
            "Cannot use the option 'token': it is empty or no bearer token",
            hint="Set it, or the environment variable PERCEUS_INVENTORY_TOKEN, to one that the master knows",
        )
    if ca_file is not None and not ca_file.is_file():
        raise PerceusError(f"Cannot use the option 'ca_file': there is no file {str(ca_file)!r}")
    url = master._replace(path=master.path or DEFAULT_PATH).geturl()
    deadline = time.monotonic() + timeout
    try:
        with open_url(
            url,
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"},
            timeout=timeout,
            follow_redirects="none",
            ca_path=str(ca_file) if ca_file else None,
            decompress=False,
            use_netrc=False,  # it would replace the token
        ) as response:
            body = _read_body(response, deadline)
            if response.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            return body, _say_if_old(response, url)
    except HTTPError as error:
        raise _unreadable(url, f"the server answers {error.code}", _REMEDIES.get(error.code)) from None
    except (OSError, AnsibleConnectionError, HTTPException, zlib.error, EOFError) as error:
        raise _unreadable(url, *_explain(error)) from error


def _explain(error: Exception) -> tuple[str, str | None]:
    """Return what went wrong, and what to do about it."""
    reason: Any = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        why = f"its certificate is not accepted ({reason.verify_message})"
        return why, "Give its authority's certificate as the option 'ca_file'"
    return str(reason), None


def _read_body(response: HTTPResponse, deadline: float) -> bytes:
    """Read to the end, however slowly the server writes."""
    body = bytearray()
    while chunk := response.read1(CHUNK):
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
        if len(body) > LARGEST:
            raise OSError(f"it is larger than {LARGEST} bytes")
    return bytes(body)


def _say_if_old(response: HTTPResponse, url: str) -> tuple[str, ...]:
    """Compare the times of the document and of the answer: both are by the master's clock."""
    try:
        now, written = (parsedate_to_datetime(response.headers[name]) for name in ("Date", "Last-Modified"))
    except (TypeError, ValueError):
        return ()
    age = round((now - written).total_seconds())
    if age <= STALE:
        return ()
    return (f"The inventory at {url} is {age} seconds old: see perceus-inventory.service on the master",)


def _unreadable(url: str, why: str, hint: str | None) -> PerceusError:
    return PerceusError(f"Cannot read the inventory at {url}: {why}", hint=hint)
