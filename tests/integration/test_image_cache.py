# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's cache before the master's image server: two real nginx, and clients."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest

from tests.nginx import running_nginx

GENERATION = "0123456789abcdef"
SIZE = 10_000_000  # two slices and a bit
CLIENTS = 12


@dataclass(frozen=True)
class Cache:
    """The cache, the master's process, store and log, and what the image is."""

    wire: Any
    master: subprocess.Popen[bytes]
    store: Path
    log: Path

    def get(self, path: str, *words: str) -> tuple[int, bytes]:
        """Ask the cache; return status and content."""
        url = f"http://10.17.0.1:8080{path}"
        argv = self.wire.nodes.command("curl", "--silent", "--write-out", "%{stderr}%{http_code}", *words, url)
        done = subprocess.run(argv, capture_output=True, timeout=60, check=True)
        return int(done.stderr), done.stdout

    def publish(self, generation: str, content: bytes) -> str:
        """Return the path of an image with this content."""
        image = self.store / "debian/images" / generation / "rootfs.squashfs"
        image.parent.mkdir(parents=True)
        image.write_bytes(content)
        return f"/vnfs/debian/{generation}/rootfs.squashfs"

    def sent(self, *, least: int = 1) -> int:
        """The bytes that the master has sent; ``least`` are awaited in its log."""
        deadline = time.monotonic() + 5
        while (sent := sum(map(int, self.log.read_text().split()))) < least and time.monotonic() < deadline:
            time.sleep(0.02)
        return sent


@pytest.fixture
def cache(wire: Any, tmp_path: Path, root: Path) -> Iterator[Cache]:
    def render(role: str, name: str, **variables: str) -> str:
        template = jinja2.Template((root / f"roles/{role}/templates/etc/nginx/conf.d/{name}.conf.j2").read_text())
        return str(template.render(ansible_managed="by this test", **variables))

    folders = {name: tmp_path / name for name in ("master", "cache", "kept", "state")}
    for folder in folders.values():
        folder.mkdir()
    log = tmp_path / "log"
    served = render("image_server", "perceus", __image_server_ip="10.17.0.1")
    served = served.replace("/var/lib/perceus", str(folders["state"])).replace("/var/log/perceus", str(tmp_path))
    served = "log_format sent $body_bytes_sent;" + served.replace("access_log off", f"access_log {log} sent")
    kept = render(
        "image_cache",
        "perceus-image-cache",
        image_cache_folder=str(folders["kept"]),
        image_cache_size="1g",
        image_cache_master="http://10.17.0.1",
        image_cache_listen="10.17.0.1:8080",
    )
    wire.nodes.ip("address", "add", "10.17.5.101/16", "dev", "eth0")
    wire.nodes.ip("link", "set", "eth0", "up")
    with (
        running_nginx(wire.master, served, folders["master"], asked="http://10.17.0.1/boot/") as master,
        running_nginx(wire.master, kept, folders["cache"], asked="http://10.17.0.1:8080/"),
    ):
        yield Cache(wire, master, folders["state"] / "vnfs", log)


def test_however_many_nodes_ask_at_once_the_master_sends_each_byte_once(cache: Cache) -> None:
    content = os.urandom(SIZE)
    path = cache.publish(GENERATION, content)
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(cache.get, [path] * CLIENTS))
    assert {(status, hashlib.sha256(got).hexdigest()) for status, got in answers} == {
        (200, hashlib.sha256(content).hexdigest())
    }
    assert cache.sent(least=SIZE) == SIZE


def test_what_was_fetched_is_served_while_the_master_is_away(cache: Cache) -> None:
    content = os.urandom(SIZE)
    path = cache.publish(GENERATION, content)
    cache.get(path)
    cache.master.kill()
    cache.master.wait()
    assert cache.get(path) == (200, content)
    assert cache.get(path, "--range", "7000000-") == (206, content[7_000_000:])
    assert cache.get(f"/vnfs/debian/{'f' * 16}/rootfs.squashfs")[0] == 502


def test_a_download_is_continued_from_what_the_cache_does_not_have_yet(cache: Cache) -> None:
    content = os.urandom(SIZE)
    path = cache.publish(GENERATION, content)
    assert cache.get(path, "--range", "9000000-") == (206, content[9_000_000:])
    assert 1_000_000 <= cache.sent() < SIZE / 2


def test_that_something_is_missing_is_not_remembered(cache: Cache) -> None:
    path = f"/vnfs/debian/{GENERATION}/rootfs.squashfs"
    assert cache.get(path)[0] == 404
    cache.publish(GENERATION, b"image")
    assert cache.get(path) == (200, b"image")


def test_it_serves_images_and_overlays_only(cache: Cache) -> None:
    assert [cache.get(path)[0] for path in ("/boot/start.ipxe", "/report?stage=ready", "/loaders/ipxe.efi")] == [
        404
    ] * 3
    assert cache.get("/vnfs/debian/x", "--request", "DELETE")[0] == 405
    archive = cache.store.parent / "overlay-archives" / f"{'a' * 64}.tar.zst"
    archive.parent.mkdir()
    archive.write_bytes(b"archive")
    assert cache.get(f"/overlays/{archive.name}") == (200, b"archive")
    assert cache.get(f"/vnfs/debian/{GENERATION}/manifest.json")[0] == 404
