# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.bootable import (
    PROGRAMS,
    RESTORER,
    require_programs,
)


def test_what_a_node_cannot_do_without_is_named() -> None:
    names = {RESTORER, *(f"usr/bin/{program}" for program in PROGRAMS.values())}
    require_programs("alma", names)
    require_programs("alma", names - {"usr/bin/sshd"} | {"usr/sbin/sshd"})
    with pytest.raises(PerceusError, match=r"its tree has no dracut, sshd\..*in it: dracut, openssh-server"):
        require_programs("alma", names - {"usr/bin/sshd", "usr/bin/dracut"})
    with pytest.raises(PerceusError, match=r"its image would have no '/usr/lib/perceus/restore-acls'"):
        require_programs("alma", names - {RESTORER})
