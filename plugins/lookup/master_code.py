# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's shared code as one file for the master."""

from __future__ import annotations

DOCUMENTATION = """
name: master_code
short_description: Pack the collection's shared code for the master
version_added: 0.1.0
description:
  - Packs C(module_utils) as the Python package C(perceus) into a ZIP archive on the controller, and gives its path.
  - The same code gives the same bytes. Python imports from the archive, so copying it replaces all of the code at once.
"""

EXAMPLES = """
- name: Install the code of the master's services
  ansible.builtin.copy:
    src: "{{ lookup('perceus.cluster.master_code') }}"
    dest: /usr/local/lib/perceus/perceus.zip
    mode: "0644"
"""

RETURN = """
_raw:
  description: The archive's path on the controller, which removes it when it ends.
  type: list
  elements: path
"""

import zipfile
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.lookup import LookupBase

SOURCE = Path(__file__).parents[1] / "module_utils"


def write_archive(target: Path, source: Path) -> None:
    """Pack the Python files below ``source`` as the package ``perceus``, without anything that varies."""
    files = {f"perceus/{path.relative_to(source)}": path.read_bytes() for path in source.rglob("*.py")}
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in sorted({"perceus/__init__.py": b"", **files}.items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        target = Path(constants.DEFAULT_LOCAL_TMP, "perceus.zip")
        write_archive(target, SOURCE)
        return [str(target)]
