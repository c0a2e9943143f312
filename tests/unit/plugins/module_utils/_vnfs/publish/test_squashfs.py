# SPDX-License-Identifier: GPL-3.0-or-later
"""What mksquashfs is told."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.squashfs import (
    build_mksquashfs_argv,
    render_left_out,
)


def test_the_command_line() -> None:
    argv = build_mksquashfs_argv(
        Path("/tree"),
        Path("/out"),
        left_out=["tmp/a", "tmp/new\nline"],
        names=Path("/left-out"),
        level=3,
        more=("-p", "etc/machine-id F 0 444 0 0 true"),
    )
    assert argv == [
        *("mksquashfs", "/tree", "/out", "-noappend", "-no-progress", "-quiet", "-xattrs"),
        *("-comp", "zstd", "-Xcompression-level", "3", "-p", "etc/machine-id F 0 444 0 0 true"),
        *("-wildcards", "-ef", "/left-out", "-e", "tmp/new\nline"),
    ]


def test_names_that_are_left_out_are_no_patterns() -> None:
    assert render_left_out(["a b", " *", "new\nline", "#[x]"]) == "\\a b\n\\ \\*\n\\#\\[x\\]\n"
