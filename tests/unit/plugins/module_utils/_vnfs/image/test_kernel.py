# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.kernel import (
    find_kernel_release,
    find_kernels,
)


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


@pytest.mark.parametrize(
    "names", [[], ["boot/vmlinuz-../../x"], ["vmlinuz"], ["usr/lib/modules/9"], ["boot/vmlinuz-9/vmlinuz"]]
)
def test_a_tree_without_a_kernel_is_not_published(names: list[str]) -> None:
    with pytest.raises(PerceusError, match="Cannot publish without a kernel"):
        find_kernel_release(names)


def test_a_kernel_may_lie_with_its_modules() -> None:
    names = ["usr/lib/modules/5.14.0-9.el9.x86_64/vmlinuz", "usr/lib/modules/6/config", "boot/vmlinuz-4"]
    assert find_kernels(names) == {"5.14.0-9.el9.x86_64": names[0], "4": names[2]}
