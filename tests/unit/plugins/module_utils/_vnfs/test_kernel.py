# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.kernel import find_kernel_release


def test_the_newest_kernel_is_taken_by_number() -> None:
    names = ["boot/vmlinuz-6.1.0-9-amd64", "boot/vmlinuz-6.1.0-10-amd64", "boot/config-7", "srv/boot/vmlinuz-9", "boot"]
    assert find_kernel_release(names) == "6.1.0-10-amd64"


def test_the_kernel_that_is_wanted_is_taken_or_missed_by_name() -> None:
    names = ["boot/vmlinuz-6.1.0-9-amd64", "boot/vmlinuz-6.1.0-10-amd64"]
    assert find_kernel_release(names, wanted="6.1.0-9-amd64") == "6.1.0-9-amd64"
    with pytest.raises(
        PerceusError, match=r"Cannot publish kernel '6\.2': the tree has 6\.1\.0-10-amd64, 6\.1\.0-9-amd64"
    ):
        find_kernel_release(names, wanted="6.2")


@pytest.mark.parametrize("names", [[], ["boot/vmlinuz-../../x"], ["vmlinuz"]])
def test_a_tree_without_a_kernel_is_not_published(names: list[str]) -> None:
    with pytest.raises(PerceusError, match="Cannot publish without a kernel"):
        find_kernel_release(names)
