# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's configuration on the master, ``cluster.json``: written by a role, read by everything else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, NetmaskValueError
from pathlib import Path
from typing import Any

from ._boot.image_servers import ImageServer, parse_image_servers
from ._errors import PerceusError
from ._names import parse_console, parse_group_name, parse_kernel_args, parse_mac, parse_node_name, parse_vnfs_name

DEFAULT_CONFIG = Path("/etc/perceus/cluster.json")
VERSION = 1
LONGEST_SILENCE = 200  # seconds from one heartbeat of a node to the next
SHORTEST_LEASE = 120  # seconds; dnsmasq takes anything shorter as this

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,200}}$){_LABEL}(?:\.{_LABEL})*", re.ASCII)
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}", re.ASCII)
_NFS_SERVER = re.compile(r"([0-9.]+):(?:/[A-Za-z0-9_.-]+)+", re.ASCII)
_PATTERN = re.compile(r"(?P<before>[^#]*)(?P<digits>#+)(?P<after>[^#]*)", re.ASCII)


@dataclass(frozen=True)
class AddressRange:
    """The addresses from ``first`` to ``last``, both included."""

    first: IPv4Address
    last: IPv4Address

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __contains__(self, address: object) -> bool:
        return isinstance(address, IPv4Address) and self.first <= address <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def overlaps(self, other: AddressRange) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class NamePattern:
    """Names of numbered nodes, such as ``n###``: the hashes stand for the number, padded with zeros."""

    before: str
    width: int
    after: str

    def name_of(self, number: int) -> str:
        return f"{self.before}{number:0{self.width}d}{self.after}"

    def number_of(self, name: str) -> int | None:
        """Return the number of which this is the name, None when it is another kind of name."""
        digits = name[len(self.before) : len(name) - len(self.after)]
        return int(digits) if digits.isdigit() and self.name_of(int(digits)) == name else None

    def __str__(self) -> str:
        return f"{self.before}{'#' * self.width}{self.after}"


@dataclass(frozen=True)
class ClusterConfig:
    """What the cluster looks like; every value has been checked, alone and against the others."""

    interface: str
    address: IPv4Interface
    domain: str
    node_range: AddressRange
    discovery_range: AddressRange
    node_name: NamePattern
    node_first: int
    default_group: str
    default_vnfs: str
    adoption: str
    dhcp_mode: str
    masked_macs: frozenset[str]
    image_servers: tuple[ImageServer, ...]
    nfs_servers: tuple[str, ...]
    console: str
    kernel_args: str
    lease_time: int
    node_timeout: int
    leases: Path
    reports: Path
    state_dir: Path

    @property
    def numbers(self) -> range:
        """The numbers that nodes may have, in order."""
        return range(self.node_first, self.node_first + len(self.node_range))

    def name_of(self, number: int) -> str:
        return self.node_name.name_of(number)

    def address_of(self, number: int) -> IPv4Address:
        return self.node_range.first + (number - self.node_first)

    @property
    def registry(self) -> Path:
        return self.state_dir / "nodes.json"

    @property
    def machines(self) -> Path:
        """What was seen of machines that are no nodes, and alarms: what everybody reads, so it is small."""
        return self.state_dir / "machines.json"

    @property
    def evidence(self) -> Path:
        """What was seen of the machines that are nodes."""
        return self.state_dir / "evidence.json"

    @property
    def boots(self) -> Path:
        """The log of what machines say of themselves when they ask for their boot script, beside the reports."""
        return self.reports.with_name("boots.log")

    @property
    def store(self) -> Path:
        return self.state_dir / "vnfs"

    @property
    def tftp(self) -> Path:
        return self.state_dir / "tftp"

    @property
    def nfs(self) -> Path:
        """What the role nfs_server exports."""
        return self.state_dir / "nfs"

    @property
    def lock(self) -> Path:
        """The lock of everything that follows from the registry, and of the registry itself."""
        return self.state_dir / ".lock"

    @property
    def hostkeys(self) -> Path:
        """Where each node's permanent ssh host key is, in a folder of its name."""
        return self.state_dir / "hostkeys"

    @property
    def hostkeys_lock(self) -> Path:
        """The lock of all that makes a node itself: its host key and its secrets."""
        return self.state_dir / ".identity.lock"

    @property
    def secrets(self) -> Path:
        """Where the secrets are declared that running nodes get over ssh."""
        return self.state_dir / "secrets"

    @property
    def overlays(self) -> Path:
        """Where the overlays lie, each in a folder of its name."""
        return self.state_dir / "overlays"

    @property
    def overlay_archives(self) -> Path:
        return self.state_dir / "overlay-archives"

    @property
    def url(self) -> str:
        """The master itself."""
        return f"http://{self.address.ip}"

    @property
    def report_url(self) -> str:
        return f"{self.url}/report"

    def boot_url(self, name: str) -> str:
        return f"{self.url}/boot/{name}"

    def loader_url(self, name: str) -> str:
        return f"{self.url}/loaders/{name}"

    def overlay_url(self, sha256: str, *, server: str = "") -> str:
        """``server`` is another than the master."""
        return f"{server or self.url}/overlays/{sha256}.tar.zst"

    def image_url(self, vnfs: str, generation: str, name: str, *, server: str = "") -> str:
        """``server`` is another than the master."""
        return f"{server or self.url}/vnfs/{vnfs}/{generation}/{name}"

    def delta_url(self, vnfs: str, name: str) -> str:
        return f"{self.url}/vnfs/{vnfs}/deltas/{name}"


class ConfigError(PerceusError):
    """A configuration that cannot be used; ``problems`` are all that was found, each with its remedy."""

    def __init__(self, source: str, problems: list[PerceusError]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"Cannot use configuration {source!r}: {problems[0].msg}{more}",
            hint=problems[0].hint,
            problems=[str(problem) for problem in problems],
        )
        self.problems = problems


def load_config(source: Path = DEFAULT_CONFIG) -> ClusterConfig:
    """Read and check the configuration file. Raises :class:`ConfigError`, or :class:`PerceusError` if unreadable."""
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise PerceusError(
            f"Cannot read configuration {str(source)!r}: {reason}", hint="Run playbooks/site.yml, which writes it"
        ) from error
    return parse_config(text, source=str(source))


def parse_config(text: str, *, source: str = "cluster.json") -> ClusterConfig:
    """Turn the text of ``cluster.json`` into a configuration. Raises :class:`ConfigError`."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError(source, [PerceusError(f"Cannot read it as JSON: {error}")]) from error
    if not isinstance(document, dict):
        raise ConfigError(source, [PerceusError("Cannot read it: not a JSON object")])
    problems = []
    if document.get("version") != VERSION:
        problems.append(
            PerceusError(
                f"Cannot read version {document.get('version')!r}: this perceus.cluster reads {VERSION}",
                hint="Run playbooks/site.yml with the same version of the collection as on the master",
            )
        )
    problems.extend(
        PerceusError(f"Cannot use {key!r}: no such setting", hint="Remove it")
        for key in sorted(set(document) - set(_SETTINGS) - {"version"})
    )
    values = {}
    for key, (kind, parse) in _SETTINGS.items():
        try:
            if key not in document:
                raise PerceusError("Cannot find it", hint="Every setting must be there")
            if not isinstance(document[key], kind) or isinstance(document[key], bool):
                raise PerceusError(f"Cannot use {document[key]!r}: not of type {kind.__name__}")
            values[key] = parse(document[key])
        except PerceusError as error:
            problems.append(PerceusError(f"{error.msg} (setting {key!r})", hint=error.hint))
    if not problems:
        config = ClusterConfig(**values)
        problems = _contradictions(config)
    if problems:
        raise ConfigError(source, problems)
    return config


def _matches(pattern: re.Pattern[str], called: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not pattern.fullmatch(value):
            raise PerceusError(f"Cannot use {value!r}: it must be {called}")
        return value

    return parse


def _interface_address(value: str) -> IPv4Interface:
    try:
        address = IPv4Interface(value)
    except (AddressValueError, NetmaskValueError) as error:
        raise PerceusError(
            f"Cannot use {value!r}: not an IPv4 address with prefix", hint="Write 10.17.5.1/24"
        ) from error
    if "/" not in value or address.network.prefixlen > 30:
        raise PerceusError(
            f"Cannot use {value!r}: it names no network that has room for nodes", hint="Write 10.17.5.1/24"
        )
    if address.ip in (address.network.network_address, address.network.broadcast_address):
        raise PerceusError(f"Cannot use {value!r}: no host can have this address in {address.network}")
    return address


def _address_range(value: str) -> AddressRange:
    first, _dash, last = value.partition("-")
    try:
        addresses = AddressRange(IPv4Address(first.strip()), IPv4Address(last.strip()))
    except AddressValueError as error:
        raise PerceusError(
            f"Cannot use {value!r}: not a range of IPv4 addresses", hint="Write 10.17.5.101-10.17.5.250"
        ) from error
    if addresses.first > addresses.last:
        raise PerceusError(f"Cannot use {value!r}: it ends before it begins", hint="Swap the two addresses")
    return addresses


def _name_pattern(value: str) -> NamePattern:
    match = _PATTERN.fullmatch(value)
    if match is None:
        raise PerceusError(f"Cannot use {value!r}: nowhere for the number", hint="Write one run of #, such as n###")
    pattern = NamePattern(match["before"], len(match["digits"]), match["after"])
    parse_node_name(pattern.name_of(0))
    return pattern


def _absolute_path(value: str) -> Path:
    if not value.startswith("/") or "\0" in value:
        raise PerceusError(f"Cannot use {value!r}: not an absolute path")
    return Path(value)


def _at_least(lowest: int) -> Callable[[int], int]:
    def parse(value: int) -> int:
        if value < lowest:
            raise PerceusError(f"Cannot use {value!r}: it must be at least {lowest}")
        return value

    return parse


def _macs(values: list[Any]) -> frozenset[str]:
    return frozenset(parse_mac(str(value)) for value in values)


def _nfs_servers(values: list[Any]) -> tuple[str, ...]:
    for value in values:
        match = _NFS_SERVER.fullmatch(str(value))
        try:
            IPv4Address(match[1] if match else "")
        except AddressValueError:
            raise PerceusError(
                f"Cannot use {value!r}: not an address and a path; nodes know no names yet when they mount it",
                hint="Write 10.17.5.2:/export/perceus",
            ) from None
    return tuple(values)


_SETTINGS: Mapping[str, tuple[type, Callable[[Any], Any]]] = {
    "interface": (str, _matches(_INTERFACE, "an interface's name")),
    "address": (str, _interface_address),
    "domain": (str, _matches(_DOMAIN, "a lower-case domain name")),
    "node_range": (str, _address_range),
    "discovery_range": (str, _address_range),
    "node_name": (str, _name_pattern),
    "node_first": (int, _at_least(0)),
    "default_group": (str, parse_group_name),
    "default_vnfs": (str, parse_vnfs_name),
    "adoption": (str, _matches(re.compile("adopt|quarantine|off"), "'adopt', 'quarantine' or 'off'")),
    "dhcp_mode": (str, _matches(re.compile("server|proxy"), "'server' or 'proxy'")),
    "masked_macs": (list, _macs),
    "image_servers": (list, parse_image_servers),
    "nfs_servers": (list, _nfs_servers),
    "console": (str, parse_console),
    "kernel_args": (str, parse_kernel_args),
    "lease_time": (int, _at_least(SHORTEST_LEASE)),
    "node_timeout": (int, _at_least(LONGEST_SILENCE)),
    "leases": (str, _absolute_path),
    "reports": (str, _absolute_path),
    "state_dir": (str, _absolute_path),
}


def _contradictions(config: ClusterConfig) -> list[PerceusError]:
    """Return what is wrong between values that are each right."""
    network, own = config.address.network, config.address.ip
    problems = []
    for name, addresses in (("node_range", config.node_range), ("discovery_range", config.discovery_range)):
        if addresses.first <= network.network_address or addresses.last >= network.broadcast_address:
            problems.append(
                PerceusError(
                    f"Cannot use {name} {addresses}: not inside the network {network}",
                    hint=f"Choose between {network.network_address + 1} and {network.broadcast_address - 1}",
                )
            )
        if own in addresses:
            problems.append(
                PerceusError(
                    f"Cannot use {name} {addresses}: it holds the master's own address {own}",
                    hint="Leave the master's address out of the range",
                )
            )
    if config.node_range.overlaps(config.discovery_range):
        problems.append(
            PerceusError(
                f"Cannot use node_range {config.node_range} beside discovery_range {config.discovery_range}:"
                " they share addresses",
                hint="Set the ranges apart",
            )
        )
    highest = config.numbers[-1]
    if len(str(highest)) > config.node_name.width:
        problems.append(
            PerceusError(
                f"Cannot name {len(config.node_range)} nodes {str(config.node_name)!r}: number {highest} has more"
                f" than {config.node_name.width} digits",
                hint="Add a # to node_name, lower node_first or shorten node_range",
            )
        )
    return problems
