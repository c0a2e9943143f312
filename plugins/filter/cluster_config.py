# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's configuration, checked on the controller by the code that reads it on the master."""

from __future__ import annotations

DOCUMENTATION = """
name: cluster_config
short_description: Check the settings of a cluster and make them the master's configuration
version_added: 0.1.0
description:
  - Checks each setting, alone and against the others, by the code that reads C(/etc/perceus/cluster.json).
  - Fails with every problem and what to do about it.
options:
  _input:
    description: All settings, by their names in C(cluster.json).
    type: dict
    required: true
"""

EXAMPLES = """
- name: Check the cluster's configuration
  ansible.builtin.assert:
    that: settings | perceus.cluster.cluster_config is mapping
"""

RETURN = """
_value:
  description: The content of C(cluster.json).
  type: dict
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.perceus.cluster.plugins.module_utils._config import VERSION, ConfigError, parse_config


def cluster_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``cluster.json``. Raises :class:`AnsibleFilterError` when it could not be used."""
    document = {"version": VERSION, **settings}
    try:
        parse_config(json.dumps(document))
    except ConfigError as error:
        raise AnsibleFilterError("; ".join(map(str, error.problems))) from None
    return document


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cluster_config": cluster_config}
