# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be called what: each function returns the value in its one form, or raises :class:`PerceusError`.

The pattern of each kind of name is the narrowest that every consumer reads in the same way: DNS, dnsmasq, iPXE, a URL,
the kernel's command line, a folder and an Ansible group.
"""

from __future__ import annotations

import json
import keyword
import re
from typing import Any

from ._errors import PerceusError

_NODE = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
_GROUP = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_MAC = re.compile(r"(?!00(?::00){5})[0-9a-f][02468ace](?::[0-9a-f]{2}){5}", re.ASCII)
_MAC_FORMS = re.compile(
    r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}", re.ASCII
)
_CONSOLE = re.compile(r"[A-Za-z0-9]+(?:,[A-Za-z0-9]+)*", re.ASCII)
_VARIABLE = re.compile(r"(?!perceus_)[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
# What Ansible gives each host itself, whatever an inventory says, and the functions of its templates.
_ANSIBLES_OWN = frozenset(
    {"ansible_async_path", "ansible_collection_name", "ansible_config_file", "ansible_dependent_role_names"}
    | {"ansible_diff_mode", "ansible_facts", "ansible_forks", "ansible_inventory_sources", "ansible_limit"}
    | {"ansible_play_batch", "ansible_play_hosts", "ansible_play_hosts_all", "ansible_play_name"}
    | {"ansible_play_role_names", "ansible_playbook_python", "ansible_role_name", "ansible_role_names"}
    | {"ansible_run_tags", "ansible_search_path", "ansible_skip_tags", "ansible_verbosity", "ansible_version"}
    | {"environment", "group_names", "groups", "hostvars", "inventory_dir", "inventory_file", "inventory_hostname"}
    | {"inventory_hostname_short", "omit", "play_hosts", "playbook_dir", "role_name", "role_names", "role_path"}
    | {"role_uuid", "vars"}
    | {"cycler", "dict", "joiner", "lipsum", "lookup", "namespace", "now", "q", "query", "range", "undef"}
)
# Of the variables by which Ansible reaches a host, those that run nothing on the machine on which Ansible runs.
_WAYS_TO_A_NODE = frozenset({"ansible_host", "ansible_user", "ansible_port", "ansible_python_interpreter"})
_UNKNOWN_MACHINE = re.compile(r"mac-[0-9a-f]{12}", re.ASCII)
# iPXE expands ${}, joins commands with && and ||, and strips quotes and backslashes: none of these may come through it.
_KERNEL_ARGS = re.compile(r"[A-Za-z0-9_.,:;=/@%+~()\[\] -]{0,400}", re.ASCII)
# Hosts and groups that every inventory has, those of our own inventory, and words of dnsmasq's dhcp-host syntax.
_RESERVED = frozenset(
    {"all", "ungrouped", "localhost", "master"}
    | {"nodes", "live", "expired", "unknown", "quarantine", "disabled", "drifted"}
    | {"ignore", "infinite"}
)
_RESERVED_VNFS = "capsules"  # nodes that boot a VNFS are in the group vnfs_NAME, VNFSs themselves in vnfs_capsules
BOOT_TARGETS = ("image", "disk", "local", "memtest", "shell")
LONGEST_DESCRIPTION = 200  # characters
_CLIENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


def parse_node_name(value: str) -> str:
    """Return ``value`` if a node may have this name: one lower-case RFC 1123 label that begins with a letter."""
    if not _NODE.fullmatch(value):
        raise PerceusError(
            f"Cannot name a node {value!r}: not a host name",
            hint="Begin with a letter; use at most 63 of a-z, 0-9 and '-'",
        )
    if value in _RESERVED or _UNKNOWN_MACHINE.fullmatch(value):
        raise PerceusError(f"Cannot name a node {value!r}: the name has another meaning", hint="Use another name")
    return value


def is_node_name(value: str) -> bool:
    """Whether a node may be called so; a node set that means several may not."""
    return _NODE.fullmatch(value) is not None


def parse_vnfs_name(value: str) -> str:
    """Return ``value`` if a VNFS may have this name."""
    _require_plain(value, "a VNFS")
    if value == _RESERVED_VNFS:
        raise PerceusError(f"Cannot name a VNFS {value!r}: the name has another meaning", hint="Use another name")
    return value


def _require_plain(value: str, what: str) -> None:
    if not _PLAIN.fullmatch(value):
        raise PerceusError(
            f"Cannot name {what} {value!r}: not a plain name",
            hint="Use at most 63 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit",
        )


def parse_group_name(value: str) -> str:
    """Return ``value`` if a group of nodes may have this name, which is then also safe as part of an Ansible group."""
    if not _GROUP.fullmatch(value):
        raise PerceusError(
            f"Cannot name a group {value!r}: not a plain name",
            hint="Begin with a letter; use at most 63 of a-z, 0-9 and '_'",
        )
    return value


def parse_mac(value: str) -> str:
    """Return the Ethernet address of one interface in lower-case colon form.

    Accepts ``52:54:00:AA:BB:CC``, ``52-54-00-aa-bb-cc`` and ``5254.00aa.bbcc``.
    """
    if _MAC.fullmatch(value):
        return value
    if not _MAC_FORMS.fullmatch(value.lower()):
        raise PerceusError(f"Cannot use {value!r} as a MAC address: not six octets", hint="Write 52:54:00:aa:bb:cc")
    digits = re.sub("[^0-9a-f]", "", value.lower())
    mac = ":".join(digits[index : index + 2] for index in range(0, 12, 2))
    if not _MAC.fullmatch(mac):
        raise PerceusError(f"Cannot use {value!r} as a MAC address: it belongs to no single interface")
    return mac


def parse_kernel_args(value: str) -> str:
    """Return ``value``, extra kernel arguments, if iPXE hands it to the kernel unchanged."""
    if not _KERNEL_ARGS.fullmatch(value):
        raise PerceusError(
            f"Cannot use {value!r} as kernel arguments: iPXE would change them",
            hint="Use at most 400 of A-Z, a-z, 0-9, space and _.,:;=/@%+~()[]-",
        )
    return value


def parse_console(value: str) -> str:
    """Return ``value``, a console as the kernel's ``console=`` has it."""
    if not _CONSOLE.fullmatch(value):
        raise PerceusError(f"Cannot use {value!r}: it must be a console such as tty0 or ttyS0,115200")
    return value


def parse_boot(value: str) -> str:
    """Return ``value`` if it is something that a node can be told to boot."""
    if value not in BOOT_TARGETS:
        raise PerceusError(f"Cannot boot {value!r}: no such boot target", hint=f"Use one of {', '.join(BOOT_TARGETS)}")
    return value


def parse_overlay_name(value: str) -> str:
    """Return ``value`` if an overlay may have this name."""
    _require_plain(value, "an overlay")
    return value


def parse_description(value: str) -> str:
    """Return ``value``, words for people, if it is one line."""
    if len(value) > LONGEST_DESCRIPTION or not value.isprintable():
        raise PerceusError(
            f"Cannot use {value[:100]!r} as a description: not a line of text",
            hint=f"Use at most {LONGEST_DESCRIPTION} characters and no line breaks",
        )
    return value


def parse_variables(value: dict[Any, Any]) -> dict[str, Any]:
    """Return ``value``, variables for an inventory host, if JSON can hold them and none has the name of one of ours."""
    for name in value:
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise PerceusError(
                f"Cannot name a variable {name!r}: not a plain name, or one of the inventory's own",
                hint="Begin with a letter or '_', use letters, digits and '_', and not the prefix 'perceus_'",
            )
        if name in _ANSIBLES_OWN or keyword.iskeyword(name):
            raise PerceusError(
                f"Cannot name a variable {name!r}: the word is Ansible's or Python's own", hint="Use another name"
            )
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PerceusError(f"Cannot keep variables {', '.join(value)}: {error}") from error
    return value


def parse_foreign_variables(value: dict[Any, Any]) -> dict[str, Any]:
    """Return ``value`` as :func:`parse_variables` does, if who said it, not the operator, may say so."""
    for name in parse_variables(value):
        if is_operators_variable(name):
            raise PerceusError(
                f"Cannot take over the variable {name!r}: it decides where and how Ansible runs programs"
            )
    return value


def is_operators_variable(name: str) -> bool:
    """Whether this variable could make Ansible run programs on the machine on which it runs itself."""
    return name.startswith("ansible_") and name not in _WAYS_TO_A_NODE


def parse_client_name(value: str) -> str:
    """Return ``value``, what a DHCP client calls itself, if it is a host name: good for showing, never an identity."""
    if not _CLIENT.fullmatch(value):
        raise PerceusError(f"Cannot use {value[:100]!r} as the name of a DHCP client: not a host name")
    return value


def parse_host_name(value: str) -> str:
    """Return ``value`` if the inventory may call a machine so, be it a node or one that is none."""
    return value if _UNKNOWN_MACHINE.fullmatch(value) else parse_node_name(value)


def unknown_machine_name(mac: str) -> str:
    """Return the inventory's name for a machine that is on the wire but not in the registry."""
    return "mac-" + mac.replace(":", "")
