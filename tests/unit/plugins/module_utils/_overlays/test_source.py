# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._overlays import source
from ansible_collections.perceus.cluster.plugins.module_utils._overlays.source import (
    SourceFile,
    check_name,
    list_overlays,
    load_overlay,
    sweep_overlays,
)


def test_an_overlay_is_its_files_links_and_scripts(write: Any, cluster: ClusterConfig) -> None:
    write("site/files/etc/motd", "hello\n", mode=0o600)
    write("site/ready.d/50-x", "#!/bin/sh\n")
    write("site/README.md", "for people")
    (cluster.overlays / "site/files/etc/localtime").symlink_to("/usr/share/zoneinfo/UTC")
    assert load_overlay(cluster.overlays, "site").files == (
        SourceFile("files/etc/localtime", 0o777, target="/usr/share/zoneinfo/UTC"),
        SourceFile("files/etc/motd", 0o600, b"hello\n"),
        SourceFile("ready.d/50-x", 0o644, b"#!/bin/sh\n"),
    )


def test_links_are_taken_as_links_and_never_followed(write: Any, cluster: ClusterConfig, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("key")
    write("site/files/etc/motd")
    (cluster.overlays / "site/files/srv").symlink_to(secret)
    assert load_overlay(cluster.overlays, "site").files[1] == SourceFile("files/srv", 0o777, target=str(secret))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("etc/motd", "not a plain name below files, init.d, ready.d"),
        ("files", "not a plain name"),
        ("files/../x", "not a plain name"),
        ("files//x", "not a plain name"),
        ("files/a\nb", "not a plain name"),
        ("files/ü", "not a plain name"),
        ("init.d/x/y", "holds scripts and no folders"),
    ],
)
def test_a_name_that_no_node_should_have_is_refused(name: str, reason: str) -> None:
    with pytest.raises(PerceusError, match=reason):
        check_name(name, overlay="site")


def test_what_is_no_file_is_refused(write: Any, cluster: ClusterConfig) -> None:
    write("site/files/etc/motd")
    os.mkfifo(cluster.overlays / "site/files/pipe")
    with pytest.raises(PerceusError, match="'files/pipe' in overlay 'site': neither a file nor a link"):
        load_overlay(cluster.overlays, "site")


def test_a_folder_of_another_name_is_a_mistake(write: Any, cluster: ClusterConfig) -> None:
    write("site/file/etc/motd")
    with pytest.raises(PerceusError, match="'file/etc/motd'"):
        load_overlay(cluster.overlays, "site")


def test_an_overlay_is_small(write: Any, cluster: ClusterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LARGEST", 4096)
    write("site/files/a", b"\0" * 4000)
    load_overlay(cluster.overlays, "site")
    write("site/files/b", b"\0" * 2000)
    with pytest.raises(PerceusError, match="5 KiB are more than 4"):
        load_overlay(cluster.overlays, "site")


@pytest.mark.parametrize("there", [True, False])
def test_an_overlay_that_was_being_replaced_is_whole(there: bool, write: Any, cluster: ClusterConfig) -> None:
    write(".site.perceus-new/files/half")
    write(".site.perceus-old/files/old")
    if there:
        write("site/files/new")
    sweep_overlays(cluster.overlays)
    assert [path.name for path in cluster.overlays.iterdir()] == ["site"]
    assert load_overlay(cluster.overlays, "site").files[0].name == ("files/new" if there else "files/old")
    sweep_overlays(cluster.overlays / "none")


def test_only_what_is_there_can_be_read(write: Any, cluster: ClusterConfig) -> None:
    assert list_overlays(cluster.overlays) == []
    with pytest.raises(PerceusError, match="Cannot find overlay 'site'"):
        load_overlay(cluster.overlays, "site")
    write("site/files/x")
    write("base/files/x")
    assert list_overlays(cluster.overlays) == ["base", "site"]
