#!/usr/bin/python
# Copyright (c) The perceus.cluster maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vnfs_sbom
short_description: The software bill of materials of a VNFS
version_added: 0.1.0
description:
  - Lists the packages of a generation or of the tree as an SPDX 2.3 document, with package URLs by which scanners of
    vulnerabilities know them.
  - The same content gives the same document, byte for byte.
options:
  name:
    description: The VNFS.
    type: str
    required: true
  generation:
    description: The id of a generation, V(current) for the one that is served, or V(tree) for the tree as it is now.
    type: str
    default: current
  file:
    description: Where on the master to write the document. Without it, it is returned only.
    type: path
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: full
    description: Shows the change of O(file).
  idempotent:
    support: full
    description: A file that holds the document already is not touched.
extends_documentation_fragment: perceus.cluster.master.store
seealso:
  - module: perceus.cluster.vnfs_info
author:
  - The perceus.cluster maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep a bill of materials of what nodes boot
  perceus.cluster.vnfs_sbom:
    name: debian
    file: /srv/sbom/debian.spdx.json

- name: Read the packages of the tree
  perceus.cluster.vnfs_sbom:
    name: debian
    generation: tree
  register: bill
"""

RETURN = r"""
vnfs:
  description: The name.
  type: str
  returned: success
  sample: debian
content:
  description: What the document describes, the id of a generation or V(tree).
  type: str
  returned: success
  sample: 0123456789abcdef
file:
  description: Where the document was written, or would be in check mode.
  type: str
  returned: when O(file) is given
  sample: /srv/sbom/debian.spdx.json
sbom:
  description: The document.
  type: dict
  returned: success
  sample: {spdxVersion: SPDX-2.3, name: debian-0123456789abcdef, packages: []}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.content import CURRENT, load_content
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.report.sbom import make_sbom, plan_file
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, vnfs_in

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "generation": {"type": "str", "default": CURRENT},
    "file": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    result = {"changed": False, "vnfs": options["name"]}
    try:
        content = load_content(vnfs_in(STORE, options["name"]), options["generation"], runner=CommandRunner())
        sbom = make_sbom(content)
        if options["file"] is not None:
            plan = plan_file(Path(options["file"]), sbom)
            result.update(changed=plan.changed, file=options["file"], diff=plan.as_diff())
            if not module.check_mode:
                plan.apply()
    except PerceusError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(content=content.label, sbom=sbom, **result)


if __name__ == "__main__":
    main()
