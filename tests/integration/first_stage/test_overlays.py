# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays from the master's folder to the node's root: reconciler, real nginx, and the first stage as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SCRIPT = "#!/bin/sh\n"


@pytest.fixture
def write(stage: Any) -> Any:
    def write(name: str, content: str, *, mode: int = 0o644) -> None:
        path = stage.config.overlays / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)

    return write


def told(stage: Any) -> list[tuple[str, str]]:
    return [(report.stage, report.detail) for report in stage.reports()]


def test_a_node_without_overlays_boots_without_asking_for_any(stage: Any) -> None:
    stage.reconcile()
    assert (stage.boot() / "etc/motd").read_text() == "of the image\n"
    assert [name for name, _detail in told(stage)] == ["fetch", "verified", "pivot"]
    assert "overlay" not in stage.script


def test_files_replace_those_of_the_image_and_folders_stay_as_they_are(stage: Any, write: Any) -> None:
    write("site/files/etc/motd.j2", "{{ node.name }} {{ node.address }}\n", mode=0o600)
    write("site/files/root/.profile", "x\n")
    write("site/files/bin/site-hello", SCRIPT, mode=0o755)
    (stage.config.overlays / "site/files/etc/localtime").symlink_to("/usr/share/zoneinfo/UTC")
    stage.change(overlays=("site",))
    stage.reconcile()
    root = stage.boot()
    assert (root / "etc/motd").read_text() == "n101 10.17.5.101\n"
    assert oct((root / "etc/motd").stat().st_mode & 0o7777) == "0o600"
    assert (root / "etc/localtime").readlink() == Path("/usr/share/zoneinfo/UTC")
    assert oct((root / "root").stat().st_mode & 0o7777) == "0o700"
    assert (root / "bin").is_symlink() and (root / "usr/bin/site-hello").exists()
    assert sorted((root / "run/overlay").read_text().splitlines()) == [
        "bin/site-hello",
        "etc/localtime",
        "etc/motd",
        "root/.profile",
    ]


def test_init_scripts_run_in_order_and_the_master_hears_how_they_ended(stage: Any, write: Any) -> None:
    write("site/init.d/10-first", SCRIPT + "echo 1 >> /etc/order; echo said; cat /proc/1/comm > /dev/null")
    write("site/init.d/20-fails", SCRIPT + "echo 2 >> /etc/order; echo 'what & why?' >&2; exit 3")
    write("site/init.d/30-last", SCRIPT + "echo 3 >> /etc/order; cat /run/perceus/node")
    write("site/ready.d/10-later", SCRIPT + "echo never >> /etc/order")
    stage.change(overlays=("site",))
    stage.reconcile()
    root = stage.boot()
    assert (root / "etc/order").read_text() == "1\n2\n3\n"
    assert told(stage)[2:] == [
        ("script", "init.d/10-first: exit status 0: said"),
        ("script_failed", "init.d/20-fails: exit status 3: what & why?"),
        ("script", "init.d/30-last: exit status 0: n101"),
        ("pivot", ""),
    ]
    assert (root / "run/scripts/init.d/20-fails").read_text() == "what & why?\n"
    assert "perceus: init.d/20-fails: what & why?" in stage.console


def test_a_wrong_archive_is_refused_and_fetched_again(stage: Any, write: Any) -> None:
    write("site/files/etc/motd", "of the overlay\n")
    stage.change(overlays=("site",))
    stage.reconcile()
    (archive,) = stage.config.overlay_archives.glob("[!.]*")
    right = archive.read_bytes()
    archive.write_bytes(right[:-1] + b"\0")
    stage.boot_mended("refused", lambda: archive.write_bytes(right))
    assert (stage.folder / "node/etc/motd").read_text() == "of the overlay\n"
    detail = next(detail for name, detail in told(stage) if name == "refused")
    assert detail.startswith(f"overlays: 10.17.0.1: wanted {archive.name.partition('.')[0]} got ")
    assert told(stage)[-1][0] == "pivot"


def test_an_archive_that_cannot_be_had_is_said_and_tried_again(stage: Any, write: Any) -> None:
    write("site/files/etc/motd", "of the overlay\n")
    stage.change(overlays=("site",))
    stage.reconcile()
    (archive,) = stage.config.overlay_archives.glob("[!.]*")
    aside = archive.rename(archive.with_name("aside"))
    stage.boot_mended("retry", lambda: aside.rename(archive))
    assert next(detail for name, detail in told(stage) if name == "retry").endswith("error: 404")


class EnoughError(Exception):
    """The master knows; the node need not go on."""


def test_an_overlay_that_the_image_has_no_room_for_is_said_however_much_there_is_to_say(stage: Any, write: Any) -> None:
    for number in range(40):
        write(f"site/files/etc/motd/{number}", "")
    stage.change(overlays=("site",))
    stage.reconcile()

    def go() -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        stage.boot_mended("retry", go)
    detail = next(detail for name, detail in told(stage) if name == "retry")
    assert detail.startswith("overlays: tar: etc/motd")


def test_an_overlay_that_cannot_be_rendered_holds_its_nodes_up_and_says_so(stage: Any, write: Any) -> None:
    write("site/files/etc/motd.j2", "{{ node.variables.missing }}\n")
    stage.change(overlays=("site",))
    said = stage.reconcile(status=1)
    assert said[-1].startswith("Cannot render 'files/etc/motd.j2' of overlay 'site': ")
    assert "'missing' (n101). Mend the template" in said[-1]
    assert "n101 does not boot: its overlays cannot be used" in stage.script
    stage.change(variables={"missing": "there"})
    stage.reconcile()
    assert (stage.boot() / "etc/motd").read_text() == "there\n"
