# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many machines a range of addresses has room for."""

from __future__ import annotations

DOCUMENTATION = """
name: address_count
short_description: Count the addresses of a range
version_added: 0.1.0
description:
  - Counts the IPv4 addresses from the first to the last, both included.
options:
  _input:
    description: The first and the last address, with a hyphen between them.
    type: str
    required: true
"""

EXAMPLES = """
- name: Say how many nodes there may be
  ansible.builtin.debug:
    msg: "{{ '10.17.5.101-10.17.5.250' | perceus.cluster.address_count }}"  # 150
"""

RETURN = """
_value:
  description: The number of addresses.
  type: int
"""

from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from ansible.errors import AnsibleFilterError


def address_count(addresses: str) -> int:
    """Return how many addresses ``addresses`` holds. Raises :class:`AnsibleFilterError` when it is no range."""
    first, _dash, last = addresses.partition("-")
    try:
        return int(IPv4Address(last.strip())) - int(IPv4Address(first.strip())) + 1
    except AddressValueError as error:
        raise AnsibleFilterError(f"Cannot count {addresses!r}: not a range of IPv4 addresses") from error


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"address_count": address_count}
