# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.image.entry import Entry
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.initramfs import (
    Initramfs,
    lent_folder,
    take_file,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.options import Options

NAMES = ("usr/bin/curl", "usr/lib/libc.so.6")
ENTRIES = tuple(
    Entry(name, "file", 0o755, 0, 0, sha256=name)
    for name in (
        "etc/dracut.conf.d/site.conf",
        "usr/bin/curl",
        "usr/bin/tmux",
        "usr/lib/dracut/modules.d/90perceus/module-setup.sh",
        "usr/lib/libc.so.6",
        "usr/lib/modules/6.1.0/kernel/drivers/net/e1000.ko",
        "usr/lib/modules/6.1.0-old/kernel/drivers/net/e1000.ko",
    )
)
WANTED = Initramfs("6.1.0", Options(), ENTRIES)


def changed(name: str) -> Initramfs:
    entries = (replace(entry, sha256="other") if entry.name == name else entry for entry in ENTRIES)
    return replace(WANTED, entries=tuple(entries))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_only_what_goes_into_it_makes_another(entry: Entry) -> None:
    matters = entry.name not in ("usr/bin/tmux", "usr/lib/modules/6.1.0-old/kernel/drivers/net/e1000.ko")
    assert (changed(entry.name).digest(NAMES) != WANTED.digest(NAMES)) is matters


def test_a_file_that_comes_where_dracut_looks_makes_another() -> None:
    new = Entry("usr/lib/firmware/nic.bin", "file", 0o644, 0, 0)
    assert replace(WANTED, entries=(*ENTRIES, new)).digest(NAMES) != WANTED.digest(NAMES)


def test_another_kernel_or_compression_or_root_mode_makes_another() -> None:
    options = (Options(compression="small"), Options(root_mode="ram"))
    others = [replace(WANTED, kernel_release="6.1.0-old"), *(replace(WANTED, options=other) for other in options)]
    assert len({WANTED.digest(NAMES), *(other.digest(NAMES) for other in others)}) == 4


def test_options_that_do_not_shape_it_make_no_other() -> None:
    assert replace(WANTED, options=Options(keep=7, kernel_args="quiet")).digest(NAMES) == WANTED.digest(NAMES)


def test_the_command_line() -> None:
    assert WANTED.build_argv() == [
        *("dracut", "--quiet", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--reproducible"),
        *("--no-early-microcode", "--compress", "zstd -3 -T0"),
        *("--modules", "base perceus", "--tmpdir", "/tmp", "--kver", "6.1.0", "/run/perceus/initramfs.img"),
    ]


def test_who_may_sign_is_in_the_first_stage_of_signed_images_only() -> None:
    signed = replace(WANTED, signer="perceus-image ssh-ed25519 AAAA\n")
    assert "ssh-keygen" in signed.build_argv() and "ssh-keygen" not in WANTED.build_argv()
    digests = {
        wanted.digest(NAMES) for wanted in (WANTED, signed, replace(signed, signer="perceus-image ssh-ed25519 BBBB\n"))
    }
    assert len(digests) == 3


def test_a_first_stage_has_what_its_root_mode_needs_and_no_more() -> None:
    assert "base perceus perceus-ram" in replace(WANTED, options=Options(root_mode="ram")).build_argv()


@pytest.mark.parametrize("arrange", ["link", "folder", "nothing"])
def test_only_a_file_is_taken_from_what_a_program_wrote(tmp_path: Path, arrange: str) -> None:
    outside = tmp_path / "shadow"
    outside.write_text("")
    outside.chmod(0o600)
    with pytest.raises(PerceusError, match="Cannot use 'vmlinuz'"), lent_folder(tmp_path) as lent:
        if arrange == "link":
            (lent / "vmlinuz").symlink_to(outside)
        elif arrange == "folder":
            (lent / "vmlinuz" / "full").mkdir(parents=True)
        take_file(lent / "vmlinuz", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["shadow"]
    assert outside.stat().st_mode & 0o777 == 0o600
