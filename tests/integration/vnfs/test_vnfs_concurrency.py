# SPDX-License-Identifier: GPL-3.0-or-later
"""Several at once: readers get one image whole, of those who change a VNFS one goes on, and dates decide nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import load_current_image
from ansible_collections.perceus.cluster.plugins.module_utils._livesync.source import load_source

from .conftest import RECIPE, Master, await_lock

READERS = 20
VERBS: dict[str, tuple[str, dict[str, Any]]] = {
    "build": ("vnfs", {**RECIPE, "state": "rebuilt"}),
    "configure": ("vnfs", {"name": "debian", "kernel_args": "quiet"}),
    "delete": ("vnfs", {"name": "debian", "state": "absent"}),
    "clone": ("vnfs", {"name": "copy", "clone": {"vnfs": "debian"}}),
    "publish": ("vnfs_image", {"name": "debian"}),
    "export": ("vnfs_capsule", {"name": "debian", "state": "exported"}),
    "command": ("vnfs_command", {"name": "debian", "argv": ["true"]}),
}
WAIT = "until [ -e /srv/go ]; do sleep 0.1; done; echo done"


def read_slowly(file: Path) -> str:
    """The checksum of a file, read in fifty pieces, each as it came to be due."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        piece = os.fstat(stream.fileno()).st_size // 50 + 1
        while content := stream.read(piece):
            digest.update(content)
            time.sleep(0.03)
    return digest.hexdigest()


def test_each_of_many_slow_readers_gets_an_image_whole(lean: Master, changed: Path) -> None:
    """Also those that were at it when theirs was pruned."""
    current = lean.vnfs / "current"
    over = threading.Event()
    overtaken = []

    def read() -> set[str]:
        found, last = set(), False
        while not last:
            last = over.is_set()
            begun = os.readlink(current)
            found.add(read_slowly(current / "rootfs.squashfs"))
            if os.readlink(current) != begun:
                overtaken.append(begun)
        return found

    def served() -> str:
        return str(json.loads((current / "image.json").read_bytes())["files"]["rootfs.squashfs"]["sha256"])

    images = [served()]
    with ThreadPoolExecutor(READERS) as pool:
        try:
            readers = [pool.submit(read) for _reader in range(READERS)]
            for number in range(3):
                changed.write_text(f"{number} {time.time_ns()}")
                lean.do("vnfs_image", name="debian")
                images.append(served())
        finally:
            over.set()
    found = set().union(*(reader.result() for reader in readers))
    assert len(overtaken) >= READERS
    assert {images[0], images[-1]} <= found <= set(images)


def test_who_comes_second_is_told_who_holds_the_vnfs_and_the_first_goes_on(lean: Master, copy: str) -> None:
    assert copy == VERBS["clone"][1]["name"]
    mark = lean.vnfs / "rootfs/srv/go"
    first = lean.start("vnfs_command", name="debian", argv=["sh", "-c", WAIT])
    try:
        await_lock(lean, first.pid)
        started = time.time()
        others = {verb: lean.start(module, **options) for verb, (module, options) in VERBS.items()}
        shell = subprocess.Popen(
            lean.command("vnfs-shell", "debian", "true"), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )
        said = {verb: json.loads(process.communicate()[0])["msg"] for verb, process in others.items()}
        said["shell"] = shell.communicate()[1].strip().removeprefix("vnfs-shell: ")
        mark.touch()
        assert json.loads(first.communicate(timeout=60)[0])["stdout"] == "done\n"
    finally:
        first.kill()
        mark.unlink(missing_ok=True)
    for verb, message in said.items():
        held = re.fullmatch(
            rf"Cannot lock VNFS 'debian': process {first.pid} since (\S+Z) holds it\. "
            "Wait for it to end and try again",
            message,
        )
        assert held, (verb, message)
        assert held[1] <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))


@pytest.mark.usefixtures("changed")
def test_of_two_publishes_at_once_one_publishes_and_the_other_finds_it_done(lean: Master) -> None:
    processes = [lean.start("vnfs_image", name="debian") for _publish in range(2)]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(result["action"] for result in results) == ["none", "publish"]
    assert len({result["generation"] for result in results}) == 1


def test_an_older_artefact_is_never_picked_by_its_date(lean: Master, changed: Path) -> None:
    lean.do("vnfs", name="debian", keep=2)
    older = lean.do("vnfs_image", name="debian")["generation"]
    changed.write_text("newer")
    newer = lean.do("vnfs_image", name="debian")["generation"]
    store = lean.vnfs.parent
    for generation, date in ((older, "2100-01-01T00:00:00Z"), (newer, "1970-01-01T00:00:00Z")):
        image = lean.vnfs / "images" / generation
        header = json.loads((image / "image.json").read_bytes())
        (image / "image.json").write_text(json.dumps({**header, "created": date}))
        for path in (image, *image.iterdir()):
            os.utime(path, (int(generation == older) * 2**32,) * 2)
    found = load_current_image(store, "debian")
    assert found is not None
    assert found.generation == load_source(store, "debian").generation == newer
    assert lean.do("vnfs_image", name="debian")["action"] == "none"

    os.utime(changed, (0, 0))  # what is older in the tree than in the image is another file all the same
    assert lean.do("vnfs_image", name="debian", _ansible_check_mode=True)["action"] == "publish"

    lean.do("vnfs", name="debian", keep=1)
    assert older in lean.do("vnfs_image", name="debian")["pruned"]
