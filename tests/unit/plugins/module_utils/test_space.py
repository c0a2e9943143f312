# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import CommandError, PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._space import free_bytes, room_in

EVERYTHING = 2**62


def test_what_cannot_fit_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(PerceusError) as caught, room_in(tmp_path, verb="publish", what="VNFS 'a'", needed=EVERYTHING):
        pytest.fail("it was begun")
    assert str(caught.value).startswith(f"Cannot publish VNFS 'a': no space in {str(tmp_path)!r}: it needs about ")
    assert f"({EVERYTHING} bytes)" in str(caught.value)
    assert caught.value.details["needed"] == EVERYTHING
    assert f"({caught.value.details['free']} bytes) were free" in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        CommandError("Cannot finish 'tar': exit status 2", stderr="tar: x: Cannot write: No space left on device"),
        CommandError("Cannot finish 'apt-get'", stderr="E: You don't have enough free space in /var/cache/apt/."),
        PerceusError("Cannot write 'x': No space left on device"),
    ],
    ids=["disk", "quota", "program", "apt", "own"],
)
def test_a_disk_that_fills_is_named(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(PerceusError, match="Cannot build VNFS 'a': no space in") as caught:  # noqa: SIM117
        with room_in(tmp_path, verb="build", what="VNFS 'a'"):
            raise error
    assert caught.value.details["free"] > 0


@pytest.mark.parametrize("error", [OSError(errno.EIO, os.strerror(errno.EIO)), CommandError("Cannot finish 'tar'")])
def test_another_error_stays_what_it_is(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, room_in(tmp_path, verb="build", what="VNFS 'a'"):
        raise error
    assert caught.value is error


def test_a_folder_that_is_not_there_yet_has_the_room_of_the_one_above(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") > 0
