# SPDX-License-Identifier: GPL-3.0-or-later
"""What ISC dhcpd and Kea leave on the disk in the middle of their work, and what dnsmasq never does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._leases import files, reader
from ansible_collections.perceus.cluster.plugins.module_utils._leases.reader import load_leases

MAC, OTHER_MAC, THIRD_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
HEAD = "address,hwaddr,valid_lifetime,expire,hostname\n"
LINE = f"1893456000 {MAC} 10.17.5.20 * *\n"

Act = Callable[[], object]


def row(mac: str, *, lifetime: int = 600) -> str:
    return f"10.17.5.{mac[-1]},{mac},{lifetime},1893456000,\n"


def declaration(mac: str) -> str:
    return (
        f"lease 10.17.5.{mac[-1]} {{\n  ends never;\n  binding state active;\n  hardware ethernet {mac};\n"
        f'  uid "\\001RT\\000\\000\\000\\00{mac[-1]}";\n}}\n'
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leases"


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PATIENCE", 0.2)
    monkeypatch.setattr(reader, "STILLNESS", 0.1)


def beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def macs(file: Path) -> list[str]:
    found = load_leases(file)
    assert found.warnings == ()
    return sorted(lease.mac for lease in found.leases)


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ({"": [MAC]}, [MAC]),
        ({".1": [MAC], "": [OTHER_MAC]}, [MAC, OTHER_MAC]),
        ({".2": [MAC], ".1": [OTHER_MAC], "": [THIRD_MAC]}, [MAC, OTHER_MAC, THIRD_MAC]),
        ({".2": [MAC], ".1": [OTHER_MAC], ".output": [THIRD_MAC], "": []}, [MAC, OTHER_MAC]),
        ({".2": [MAC], ".1": [OTHER_MAC], ".completed": [OTHER_MAC], "": [THIRD_MAC]}, [OTHER_MAC, THIRD_MAC]),
        ({".1": [MAC]}, [MAC]),
        ({".2": [MAC], "": [MAC]}, [MAC]),
    ],
    ids=["alone", "put aside", "put aside again", "cleaning", "cleaned", "before the new file", "long ago"],
)
def test_kea_has_its_leases_in_up_to_three_files(file: Path, there: dict[str, list[str]], wanted: list[str]) -> None:
    for suffix, own in there.items():
        beside(file, suffix).write_text(HEAD + "".join(map(row, own)))
    assert macs(file) == wanted


def test_a_newer_file_of_kea_takes_back_what_an_older_one_gave(file: Path) -> None:
    beside(file, ".1").write_text(HEAD + row(MAC) + row(OTHER_MAC))
    file.write_text(HEAD + row(MAC, lifetime=0))
    assert macs(file) == [OTHER_MAC]


def test_the_file_that_kea_has_just_begun_may_be_empty(file: Path) -> None:
    beside(file, ".1").write_text(HEAD + row(MAC))
    file.touch()
    assert macs(file) == [MAC]


def test_files_are_read_again_when_kea_renames_one_meanwhile(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a look and the reading that follows, cleanup goes on by a step."""
    file.write_text(HEAD + row(MAC))
    steps: list[Act] = [
        lambda: file.rename(beside(file, ".1")),
        lambda: file.write_text(HEAD + row(OTHER_MAC)),
        lambda: beside(file, ".1").rename(beside(file, ".completed")),
        lambda: beside(file, ".completed").rename(beside(file, ".2")),
    ]
    look = files._look

    def look_and_let_kea_go_on(source: Path) -> dict[Path, int]:
        found = look(source)
        if steps:
            steps.pop(0)()
        return found

    monkeypatch.setattr(files, "_look", look_and_let_kea_go_on)
    assert macs(file) == [MAC, OTHER_MAC]
    assert steps == []


@pytest.mark.parametrize("suffix", [".1", ".2", ".completed"])
def test_what_lies_beside_a_file_of_dnsmasq_is_not_its(file: Path, suffix: str) -> None:
    file.write_text(LINE)
    beside(file, suffix).write_text(HEAD + row(OTHER_MAC))
    assert macs(file) == [MAC]


def test_a_rotated_file_of_dnsmasq_is_not_kea_s(file: Path) -> None:
    beside(file, ".1").write_text(LINE)
    file.write_text("")
    assert macs(file) == []


@pytest.mark.parametrize(
    "part", ["lease 10.17.5.2 {\n", declaration(OTHER_MAC)[:-2], declaration(OTHER_MAC)[:-1], "lea"]
)
def test_a_file_to_which_dhcpd_appends_is_read_again_until_it_is_whole(
    file: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PAUSE", 0)
    monkeypatch.setattr(time, "sleep", lambda _seconds: file.write_text(declaration(MAC) + declaration(OTHER_MAC)))
    file.write_text(declaration(MAC) + part)
    assert macs(file) == [MAC, OTHER_MAC]


@pytest.mark.parametrize(("whole", "part"), [(declaration, "lease 10.17.5.2 {\n"), (row, "10.17.5.2,52:54:00:00:0")])
def test_a_record_that_stays_cut_short_is_named_and_hides_no_other(
    file: Path, whole: Callable[[str], str], part: str
) -> None:
    file.write_text((HEAD if whole is row else "") + whole(MAC) + part)
    os.utime(file, (1, 1))
    found = load_leases(file)
    assert [lease.mac for lease in found.leases] == [MAC]
    assert len(found.warnings) == 1


def test_dhcpd_s_backup_stands_in_when_only_that_is_there(file: Path) -> None:
    beside(file, "~").write_text(declaration(MAC))
    then = time.time() - 3600
    os.utime(beside(file, "~"), (then, then))
    found = load_leases(file)
    assert [lease.mac for lease in found.leases] == [MAC]
    [warning] = found.warnings
    assert str(beside(file, "~")) in warning and warning.endswith("3600 seconds old")
    file.write_text(declaration(OTHER_MAC))
    assert macs(file) == [OTHER_MAC]


def test_a_backup_by_an_editor_is_not_dhcpd_s(file: Path) -> None:
    beside(file, "~").write_text(LINE)
    with pytest.raises(PerceusError, match="No such file"):
        load_leases(file)


@pytest.mark.parametrize("content", ["\0" * 5000 + "\n", "{}\n"])
def test_what_is_no_lease_file_is_an_error(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(PerceusError, match="written by none of"):
        load_leases(file)
