# SPDX-License-Identifier: GPL-3.0-or-later
"""``nodes.conf`` of Warewulf 4: profiles and nodes as YAML, in the words of 4.3 up to 4.6.

Keys and how profiles are merged: warewulf/warewulf ``internal/pkg/node/datastructure.go`` and ``mergo.go``, and for the
older words ``internal/pkg/upgrade/node.go``. Profiles come in order, each after those that it names itself, then the
node; a later value wins, kernel arguments that are a list are added, network devices are merged, and ``~NAME`` takes
a profile away. A node's group is the last of its profiles, whose values become the group's policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .draft import Draft, Imported
from .reasons import ONE_ADDRESS
from .yaml_text import Found, read_yaml

_DEFAULT = "default"
_UNSET = frozenset({"", "UNSET", "UNDEF", "--"})
_CARRIED = {"image name": "vnfs", "container name": "vnfs", "comment": "description"}
_TRUE = frozenset({"true", "yes", "1"})


@dataclass
class _Settings:
    """What a profile or node says, or several together: values with the line where they stand."""

    values: dict[str, tuple[str, int]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    replaces: bool = False  # its kernel arguments, those of earlier ones
    devices: dict[str, dict[str, Found]] = field(default_factory=dict)
    primary: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def add(self, later: _Settings) -> None:
        self.values.update(later.values)
        self.arguments = later.arguments if later.replaces else self.arguments + later.arguments
        for name, device in later.devices.items():
            self.devices[name] = {**self.devices.get(name, {}), **device}
        self.primary = later.primary or self.primary
        self.variables.update(later.variables)


def parse(text: str) -> Imported:
    """Return the nodes, and their groups. Raises :class:`PerceusError` when the text is not YAML."""
    draft = Draft()
    root = read_yaml(text, draft).items
    profiles = root.get("nodeprofiles", Found({}, 1)).items
    said = {name: _settings(draft, profile) for name, profile in profiles.items()}
    nested = {name: profile.items.get("profiles", Found([], 1)).words for name, profile in profiles.items()}
    implied = [_DEFAULT] if "WW_INTERNAL" in root else []  # by versions before 4.6
    for name, node in root.get("nodes", Found({}, 1)).items.items():
        listed = node.items.get("profiles", Found([], 1)).words or implied
        policies = [profile for profile in listed if profile in said]
        for profile in listed:
            if profile not in said and not profile.startswith("~"):
                draft.leave_out(f"profile {profile!r}", node.line, "the file does not have it")
        own = _settings(draft, node)
        whole = _together([*(said[profile] for profile in _expand(listed, nested) if profile in said), own])
        group = _together(said[profile] for profile in _expand(policies[-1:], nested) if profile in said)
        _take(draft, name, node.line, own, whole, group, policies[-1:])
    return draft.result()


def _together(settings: Iterable[_Settings]) -> _Settings:
    whole = _Settings()
    for part in settings:
        whole.add(part)
    return whole


def _expand(listed: list[str], nested: Mapping[str, list[str]]) -> list[str]:
    """Return all profiles in the order in which they apply."""
    order: list[str] = []
    seen: set[str] = set()
    waiting = [(name, False) for name in reversed(listed)]
    while waiting:
        name, is_open = waiting.pop()
        if is_open or name.startswith("~"):
            order.append(name)
        elif name not in seen:
            seen.add(name)
            waiting.append((name, True))
            waiting.extend((inner, False) for inner in reversed(nested.get(name, [])))
    return [name for name in order if not name.startswith("~") and f"~{name}" not in order]


def _take(
    draft: Draft, name: str, line: int, own: _Settings, whole: _Settings, policy: _Settings, group: list[str]
) -> None:
    node = draft.begin(name, line)
    node.set_groups(group, line)
    for policy_name in group:
        entry = draft.group(policy_name, line)
        for key, value in policy.values.items():
            entry.set(key, *value)
        entry.set("kernel_args", " ".join(policy.arguments), line)
    for key, value in whole.values.items():
        if value[0] != policy.values.get(key, ("", 0))[0] and (key != "description" or key in own.values):
            node.set(key, *value)
    node.set("kernel_args", " ".join(word for word in whole.arguments if word not in policy.arguments), line)
    node.variables.update(whole.variables)
    for device, said in _primary_first(whole):
        if said.get("hwaddr", Found("", 0)).word not in _UNSET:
            node.macs.append((said["hwaddr"].word, said["hwaddr"].line))
        address = said.get("ipaddr") or said.get("ipcidr")
        if address is None:
            continue
        if "address" not in node.values:
            node.set("address", address.word.partition("/")[0], address.line)
        else:
            draft.leave_out(f"the address of {device!r}", address.line, ONE_ADDRESS)


def _primary_first(whole: _Settings) -> Iterator[tuple[str, dict[str, Found]]]:
    def is_other(item: tuple[str, dict[str, Found]]) -> bool:
        name, said = item
        marks = {said[key].word.lower() for key in ("primary", "default") if key in said}
        return name != whole.primary and not marks & _TRUE

    yield from sorted(whole.devices.items(), key=is_other)


def _settings(draft: Draft, found: Found) -> _Settings:
    """Return what one profile or node says itself, and leave out what has no place here."""
    settings = _Settings()
    for key, value in found.items.items():
        if key in _CARRIED:
            if value.word not in _UNSET:
                settings.values[_CARRIED[key]] = (value.word, value.line)
        elif key == "kernel args":
            settings.arguments, settings.replaces = value.word.split(), True
        elif key == "kernel":
            _take_kernel(draft, settings, value)
        elif key == "network devices":
            settings.devices = {name: device.items for name, device in value.items.items()}
            _leave_out_details(draft, value)
        elif key == "primary network":
            settings.primary = value.word
        elif key in ("tags", "keys"):
            settings.variables.update({name: tag.word for name, tag in value.items.items() if tag.word})
        elif key.partition(" ")[0] == "ipmi":
            address = value if key == "ipmi ipaddr" else value.items.get("ipaddr", Found("", 0))
            if address.word not in _UNSET:
                settings.variables["bmc_address"] = address.word
            draft.leave_out("ipmi", value.line, "only its address is carried, as the variable bmc_address")
        elif key != "profiles":
            draft.skip(key, value.line)
    return settings


def _take_kernel(draft: Draft, settings: _Settings, kernel: Found) -> None:
    for key, value in kernel.items.items():
        if key == "args":
            settings.replaces = bool(value.word)
            settings.arguments = value.word.split() if value.word else value.words
        else:
            draft.skip(f"kernel {key}", value.line)


def _leave_out_details(draft: Draft, devices: Found) -> None:
    for device in devices.items.values():
        for key, value in device.items.items():
            if key not in ("hwaddr", "ipaddr", "ipcidr", "primary", "default", "device"):
                draft.skip(key, value.line, of="a network device")
