# SPDX-License-Identifier: GPL-3.0-or-later
"""Several image servers, real ones, each with a fault of its own, and the first stage as it is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.image_servers import ImageServer

from tests.nginx import running_nginx

SLOW = "limit_rate 300k;"  # bytes a second: of an image of a few MiB, some seconds


@dataclass(frozen=True)
class Server:
    """An image server beside the master: what nodes ask, its process, and what it was asked for."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def asked(self) -> list[list[str]]:
        """Status, bytes sent and range of each request of a node's that it has ended."""
        requests = (line.split(" ", 3) for line in self.log.read_text().splitlines())
        return [answered for path, *answered in requests if path != "/any"]


@pytest.fixture
def serve(stage: Any, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Called with words of nginx's and content for the image, starts another image server."""
    servers: list[Server] = []
    with contextlib.ExitStack() as running:

        def serve(words: str = "", content: bytes | None = None) -> Server:
            port = 8001 + len(servers)
            folder = tmp_path / str(port)
            folder.mkdir()
            (folder / "rootfs.squashfs").write_bytes(image(stage) if content is None else content)
            text = (
                "log_format brief '$uri $status $body_bytes_sent $http_range'; server {"
                f" listen 10.17.0.1:{port}; access_log {folder}/log brief; {words}"
                f" location ~ ^/vnfs/debian/[0-9a-f]+/(.+)$ {{ alias {folder}/$1; }}"
                f" location /overlays/ {{ alias {stage.config.overlay_archives}/; }} }}"
            )
            url = f"http://10.17.0.1:{port}"
            process = running.enter_context(running_nginx(stage.wire.master, text, folder, asked=f"{url}/any"))
            servers.append(Server(url, process, folder / "log"))
            return servers[-1]

        yield serve


def image(stage: Any) -> bytes:
    return bytes((stage.config.store / "debian/current/rootfs.squashfs").read_bytes())


def asking(stage: Any, *urls: str) -> Any:
    """The stage with these image servers, asked in this order, and the master."""
    servers = tuple(ImageServer(url, order) for order, url in enumerate(urls))
    told = replace(stage, config=replace(stage.config, image_servers=servers))
    told.reconcile()
    return told


def told(stage: Any) -> list[tuple[str, str]]:
    return [(report.stage, report.detail) for report in stage.reports()]


def test_servers_with_nothing_to_use_are_passed_at_once(stage: Any, serve: Any) -> None:
    whole = image(stage)
    half, other = serve(content=whole[: len(whole) // 2]), serve(content=os.urandom(len(whole)))
    nobody = "http://10.17.0.1:8999"
    node = asking(stage, nobody, half.url, other.url)
    assert (node.boot() / "etc/motd").read_text() == "of the image\n"
    stages, details = zip(*told(node))
    assert stages == ("fetch", "retry", "refused", "refused", "verified", "pivot")
    assert details[1].startswith("10.17.0.1:8999: curl: (7) ")
    assert details[2].startswith("10.17.0.1:8001: wanted ")
    assert "trying again in" not in node.console


def test_servers_that_answer_errors_or_hardly_at_all_are_passed(stage: Any, serve: Any) -> None:
    lacks, fails, crawls = serve("return 404;"), serve("return 500;"), serve("limit_rate 500;")
    node = asking(stage, lacks.url, fails.url, crawls.url)
    node.boot()
    stages, details = zip(*told(node))
    assert stages == ("fetch", "retry", "retry", "retry", "verified", "pivot")
    assert details[1].endswith("error: 404") and details[2].endswith("error: 500")
    assert "too slow" in details[3]


def kill_meanwhile(stage: Any, server: Server) -> None:
    """Boot, with a server killed when a good part of the image has come from it."""

    def kill() -> None:
        time.sleep(2)
        server.process.kill()

    assert (stage.boot_mended("fetch", kill) / "etc/motd").read_text() == "of the image\n"
    assert server.asked == [], "it was not killed in mid-download"


def test_a_node_goes_on_from_the_second_server_when_the_first_is_killed_in_mid_download(stage: Any, serve: Any) -> None:
    first, second = serve(SLOW), serve()
    node = asking(stage, first.url, second.url)
    kill_meanwhile(node, first)
    assert [name for name, _detail in told(node)] == ["fetch", "retry", "verified", "pivot"]
    assert told(node)[1][1].startswith("10.17.0.1:8001: curl: (")
    ((status, sent, asked_for),) = second.asked
    begin = int(asked_for.removeprefix("bytes=").removesuffix("-"))
    assert (status, int(sent)) == ("206", len(image(stage)) - begin)
    assert begin > 100_000


def test_what_another_server_began_wrongly_is_fetched_as_a_whole(stage: Any, serve: Any) -> None:
    first, second = serve(SLOW, content=os.urandom(len(image(stage)))), serve()
    node = asking(stage, first.url, second.url)
    kill_meanwhile(node, first)
    assert [name for name, _detail in told(node)] == ["fetch", "retry", "refused", "verified", "pivot"]
    assert [status for status, _sent, _range in second.asked] == ["206", "200"]


def test_a_server_that_cannot_go_on_is_asked_for_the_whole(stage: Any, serve: Any) -> None:
    first, second = serve(SLOW), serve("max_ranges 0;")
    node = asking(stage, first.url, second.url)
    kill_meanwhile(node, first)
    assert [name for name, _detail in told(node)] == ["fetch", "retry", "retry", "verified", "pivot"]
    assert second.asked[-1][:2] == ["200", str(len(image(stage)))]


def test_overlays_come_from_the_same_servers(stage: Any, serve: Any) -> None:
    motd = stage.config.overlays / "site/files/etc/motd"
    motd.parent.mkdir(parents=True)
    motd.write_text("of the overlay\n")
    stage.change(overlays=("site",))
    server = serve()
    node = asking(stage, "http://10.17.0.1:8999", server.url)
    assert (node.boot() / "etc/motd").read_text() == "of the overlay\n"
    assert [status for status, _sent, _range in server.asked] == ["200", "200"]
    assert [detail.partition(" curl")[0] for name, detail in told(node) if name == "retry"] == [
        "10.17.0.1:8999:",
        "overlays: 10.17.0.1:8999:",
    ]
