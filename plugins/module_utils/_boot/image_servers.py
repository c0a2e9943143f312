# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nodes fetch images and overlays: from servers of the same paths as the master's, and from the master."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from .._errors import PerceusError
from .._names import parse_group_name
from .._vnfs.recipe.fields import take_fields

MOST = 4  # servers that a node is told of: the kernel's command line has room for 2,048 bytes

_URL = re.compile(r"http://([0-9.]+)(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9_.-]{1,32}){0,2}", re.ASCII)


@dataclass(frozen=True)
class ImageServer:
    """``url`` is what stands before ``/vnfs/…`` and ``/overlays/…``.

    Servers of a lower ``order`` are asked first. Of one order each is the first for a share of the nodes, by its
    ``weight``. With ``groups`` it is there for the nodes of these only.
    """

    url: str
    order: int = 1
    weight: int = 1
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        match = _URL.fullmatch(self.url)
        try:
            IPv4Address(match[1] if match else "")
        except AddressValueError:
            raise PerceusError(
                f"Cannot use {self.url!r} as url of an image server: nodes ask by HTTP, and know no names",
                hint="Write http://10.17.5.2, with a port and folder if need be; /vnfs/… is added to it",
            ) from None
        if self.weight < 1:
            raise PerceusError(f"Cannot use {self.weight!r} as weight of an image server: it must be at least 1")
        for group in self.groups:
            parse_group_name(group)


def parse_image_servers(values: Iterable[Any]) -> tuple[ImageServer, ...]:
    """Turn a list of mappings into servers. Raises :class:`PerceusError` for what is none, or is there twice."""
    servers = []
    for value in values:
        if not isinstance(value, Mapping):
            raise PerceusError(f"Cannot use {value!r} as an image server: not a mapping", hint="Write {url: http://…}")
        servers.append(take_fields(ImageServer, value, what=f"image server {value.get('url', '')!r}"))
    urls = [server.url for server in servers]
    for url in urls:
        if urls.count(url) > 1:
            raise PerceusError(f"Cannot use image server {url!r} twice", hint="Give it more weight")
    return tuple(servers)


def choose_servers(servers: Iterable[ImageServer], *, master: str, node: str, group: str) -> tuple[str, ...]:
    """Return the URLs of the servers that a node asks, in this order: ``master`` is the last unless it is listed.

    Within an order they are drawn by rendezvous hashing: a node's draw never changes while the servers stay, and one
    that goes moves none but its own nodes.
    """
    own = (server for server in servers if not server.groups or group in server.groups)
    ranked = [server.url for server in sorted(own, key=lambda server: (server.order, _draw(server, node)))]
    if master in ranked[:MOST]:
        return tuple(ranked[:MOST])
    return (*ranked[: MOST - 1], master)


def _draw(server: ImageServer, node: str) -> float:
    """Return when a server comes up for a node: at an average of 1 / weight, exponentially distributed, so that the
    share of nodes for which it is the first is its share of all weights.
    """
    digest = hashlib.sha256(f"{node} {server.url}".encode()).digest()
    uniform = (int.from_bytes(digest[:6], "big") + 0.5) / 2**48
    return -math.log(uniform) / server.weight
