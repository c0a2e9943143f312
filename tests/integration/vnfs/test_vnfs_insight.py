# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``vnfs_info``, ``vnfs_diff`` and ``vnfs_sbom`` tell of a real VNFS, beside what its own programs say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from .conftest import Master
from .test_vnfs_publish import look

INVENTORY = (
    "perceus_master: {hosts: {localhost: {ansible_connection: local, ansible_python_interpreter: /usr/bin/python3}}}"
)
EXTRA = {"vnfs": "debian", "file": "/var/lib/perceus/debian.spdx.json", "ansible_become": False}


@pytest.fixture(scope="module")
def served(image: Master) -> str:
    """The generation of the tree as it is."""
    return str(image.do("vnfs_image", name="debian")["generation"])


@pytest.fixture
def edited(image: Master, served: str) -> Iterator[Master]:
    """The tree with another version of a package, without a second one, and with some files changed."""
    status, version = image.vnfs / "rootfs/var/lib/dpkg/status", image.vnfs / "rootfs/etc/debian_version"
    before = [(file, file.read_text(), file.stat().st_mtime_ns) for file in (status, version)]
    paragraphs = {text.partition("\n")[0]: text for text in status.read_text().split("\n\n")}
    del paragraphs["Package: sudo"]
    paragraphs["Package: acl"] = paragraphs["Package: acl"].replace("\nVersion: ", "\nVersion: 9:")
    status.write_text("\n\n".join(paragraphs.values()))
    version.write_text("edited\n")
    image.inside("chmod", "0700", "/srv")
    yield image
    image.inside("chmod", "0755", "/srv")
    for file, text, time in before:
        file.write_text(text)
        os.utime(file, ns=(time, time))
    assert image.do("vnfs_image", name="debian")["generation"] == served


def describe(master: Master, **options: Any) -> dict[str, Any]:
    (found,) = master.do("vnfs_info", name="debian", **options)["vnfs"]
    assert found["faults"] == []
    return dict(found)


def test_packages_are_those_that_the_tree_itself_lists(image: Master, served: str) -> None:
    listed = image.inside("dpkg-query", "--show", "--showformat=${Package} ${Version} ${Architecture}\\n").splitlines()
    found = describe(image, gather=["packages"])["packages"]
    assert sorted(f"{package['name']} {package['version']} {package['arch']}" for package in found) == sorted(listed)
    document = json.loads((image.vnfs / "images" / served / "packages.json").read_text())
    assert [package["name"] for package in document["packages"]] == [package["name"] for package in found]
    assert document["distribution"]["name"] == "debian"


def test_a_vnfs_is_described(image: Master, served: str) -> None:
    found = describe(image, gather=["sizes"], count=5)
    current = image.vnfs / "current"
    assert (found["source"], found["tree"], found["current"]) == ("mmdebstrap", True, served)
    assert found["options"]["keep"] == {"value": 3, "origin": "default"}
    assert found["image_size"] == (current / "rootfs.squashfs").stat().st_size
    first_stage = int((current / "initramfs.img").stat().st_size * 2.5) + 70 * 1024**2
    assert found["memory_floor"] == first_stage + found["image_size"] + 24 * 1024**2
    assert [entry["generation"] for entry in found["generations"] if entry["current"]] == [served]
    sizes = found["sizes"]
    assert sizes["tree_size"] == found["generations"][-1]["tree_size"]
    assert sizes["paths"][0]["name"] == "/usr"
    counted = image.run(
        "du", "--summarize", "--apparent-size", "--block-size=1", "/var/lib/perceus/vnfs/debian/rootfs/usr"
    )
    assert sizes["paths"][0]["size"] == pytest.approx(int(counted.split()[0]), rel=0.1)  # du counts folders too
    assert sizes["packages"][0]["name"].startswith("linux-image-")
    assert len(sizes["packages"]) == len(sizes["paths"]) == 5
    assert [limit["crossed"] for limit in sizes["limits"]][-1] is False


def test_all_are_described_and_what_is_broken_hides_nothing(image: Master, served: str) -> None:
    broken = image.path("/var/lib/perceus/vnfs/broken")
    (broken / "images" / ("f" * 16)).mkdir(parents=True)
    (broken / "vnfs.yml").write_text("{")
    try:
        result = image.do("vnfs_info")
        found = {vnfs["name"]: vnfs for vnfs in result["vnfs"]}
        assert found["debian"]["current"] == served
        assert (found["broken"]["tree"], found["broken"]["current"], len(found["broken"]["faults"])) == (False, None, 2)
        assert "vnfs.yml" in str(result["warnings"][0])
    finally:
        image.run("rm", "-r", "/var/lib/perceus/vnfs/broken")
    assert "there is none of that name" in image.call("vnfs_info", name="broken")["msg"]


def test_hybridizing_saves_what_those_files_take(image: Master, served: str) -> None:
    del served
    image.do("vnfs", name="debian", hybridize=["/usr/share/doc", "/usr/share/zoneinfo"])
    try:
        found = describe(image, gather=["hybridize"])["hybridize"]
    finally:
        image.do("vnfs", name="debian", hybridize=[])
    assert [saving["pattern"] for saving in found] == ["/usr/share/doc", "/usr/share/zoneinfo"]
    assert 0 < found[0]["ram"] < found[0]["size"]


def test_an_unchanged_tree_does_not_differ(image: Master, served: str) -> None:
    result = image.do("vnfs_diff", name="debian")
    assert (result["changed"], result["packages"], result["files"]) == (False, [], [])
    assert result["before"] == f"debian {served}"


def test_what_was_edited_is_told(edited: Master) -> None:
    result = edited.do("vnfs_diff", name="debian")
    assert [(change["name"], change["change"]) for change in result["packages"]] == [
        ("acl", "upgraded"),
        ("sudo", "removed"),
    ]
    files = {change["name"]: change for change in result["files"]}
    assert set(files) == {"etc/debian_version", "srv", "var/lib/dpkg/status"}
    assert (files["etc/debian_version"]["after"], files["srv"]["differing"]) == (7, ["mode"])
    assert "  removed     sudo (amd64)" in result["diff"]["prepared"]


def test_two_generations_are_compared_both_ways(edited: Master, served: str) -> None:
    other = edited.do("vnfs_image", name="debian")["generation"]
    there = edited.do("vnfs_diff", name="debian", before=served, after=other)
    back = edited.do("vnfs_diff", name="debian", before=other, after=served)
    assert there["counts"]["packages"] == {"upgraded": 1, "removed": 1}
    assert back["counts"]["packages"] == {"downgraded": 1, "added": 1}
    failure = edited.call("vnfs_diff", name="debian", before="0" * 16)
    assert f"Cannot read generation '{'0' * 16}' of VNFS 'debian'" in failure["msg"]
    assert "Cannot read 'yesterday'" in edited.call("vnfs_diff", name="debian", before="yesterday")["msg"]


def test_a_bill_of_materials_is_written_once_and_valid(image: Master, served: str) -> None:
    del served
    options = {"name": "debian", "file": "/var/lib/perceus/debian.spdx.json"}
    results = [image.do("vnfs_sbom", **options, _ansible_check_mode=check) for check in (True, False) * 2]
    file = image.path(options["file"])
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert json.loads(file.read_text()) == results[0]["sbom"]
    document = parse_file(str(file))
    assert validate_full_spdx_document(document) == []
    assert len(document.packages) == 1 + len(describe(image, gather=["packages"])["packages"])
    file.unlink()


def test_the_tree_has_a_bill_of_materials_before_it_is_published(edited: Master) -> None:
    result = edited.do("vnfs_sbom", name="debian", generation="tree")
    assert (result["changed"], result["content"]) == (False, "tree")
    assert "sudo" not in {package["name"] for package in result["sbom"]["packages"]}


def test_looking_changes_nothing(image: Master, served: str) -> None:
    del served
    before = look(image)
    image.do("vnfs_info", gather=["sizes", "packages", "hybridize"])
    image.do("vnfs_diff", name="debian")
    image.do("vnfs_sbom", name="debian", generation="tree")
    assert look(image) == before


@pytest.mark.parametrize(
    ("playbook", "words"),
    [
        ("vnfs_list", ["Vnfs", "debian  mmdebstrap", " MiB"]),
        ("vnfs_report", ["linux-image-", "/usr", "nodes with 256 MiB of memory cannot boot it"]),
        ("vnfs_diff", ["--- debian ", "+++ debian tree", "packages: no difference", "files: no difference"]),
        ("vnfs_sbom", [" packages of debian ", "are in /var/lib/perceus/debian.spdx.json"]),
    ],
)
def test_playbooks_show_it_to_people(
    image: Master, served: str, tmp_path: Path, playbook: str, words: list[str]
) -> None:
    del served
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY)
    said = image.run("ansible-playbook", "-i", str(inventory), f"perceus.cluster.{playbook}", "-e", json.dumps(EXTRA))
    assert [word for word in words if word not in said] == []
