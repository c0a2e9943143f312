# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.copying import build_copy_argv
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.sources.folder import Folder


def test_the_command_line() -> None:
    assert build_copy_argv(Path("/srv/tree"), Path("/new/rootfs")) == [
        *("cp", "--recursive", "--no-dereference", "--preserve=mode,ownership,timestamps,links,xattr"),
        *("--reflink=auto", "--sparse=auto", "--no-target-directory", "--", "/srv/tree", "/new/rootfs"),
    ]


@pytest.mark.parametrize("root", ["", "srv", "--help", "/srv\n", "/s\0"])
def test_hostile_values_are_refused(root: str) -> None:
    with pytest.raises(PerceusError, match="Cannot use"):
        Folder(root)
