# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong with a node's image: it is said on the console and to the master, and the node goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = pytest.mark.usefixtures("nodes")

TOO_LITTLE = 224  # MiB, enough for the first stage
IMAGE = "/var/lib/perceus/vnfs/debian/current/rootfs.squashfs"
CONFIG = "/etc/perceus/cluster.json"
# Each path below / is a server that answers in its own way. Argument: the image.
FAULTY = """
import sys
from pathlib import Path
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IMAGE = Path(sys.argv[1]).read_bytes()
STATUS = {"error": 500}

class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        fault = self.path.split("/")[1]
        self.send_response(STATUS.get(fault, 200))
        self.send_header("Content-Length", str(0 if fault in STATUS else len(IMAGE)))
        self.end_headers()
        if fault not in STATUS:
            self.wfile.write(bytes(len(IMAGE)) if fault == "wrong" else IMAGE[: len(IMAGE) // 2])

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("10.17.5.1", 8083), Server).serve_forever()
"""
SERVER = "10.17.5.1:8083"


@pytest.fixture
def told_of(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Called with addresses of image servers, has nodes ask them in this order, and the master last."""
    config = cluster.on_master(CONFIG)
    before = config.read_text()

    def configure(text: str) -> None:
        config.write_text(text)
        cluster.run("master", "systemctl", "start", "perceus-reconcile.service")

    def tell(*servers: str) -> None:
        listed = [{"url": f"http://{server}", "order": order} for order, server in enumerate(servers)]
        configure(json.dumps({**json.loads(before), "image_servers": listed}))

    script = cluster.on_master("/root/faulty.py")
    script.write_text(FAULTY)
    cluster.run("master", "systemd-run", "--quiet", "--unit=faulty", "python3", "/root/faulty.py", IMAGE)
    yield tell
    cluster.run("master", "systemctl", "stop", "faulty.service")
    script.unlink()
    configure(before)


def said_of_the_image(reports: list[dict[str, Any]]) -> list[tuple[str, str]]:
    stages = ("retry", "refused", "verified")
    return [(report["stage"], words(report)) for report in reports if report["stage"] in stages]


def words(report: dict[str, Any]) -> str:
    return str(report["detail"]).replace("+", " ")


def test_a_machine_with_too_little_memory_says_so_before_the_kernel_does(cluster: Cluster) -> None:
    since = cluster.power_cycle("n101", memory=TOO_LITTLE)
    said = words(cluster.wait_for_stage("n101", "nomem", since=since))
    assert re.fullmatch(r"the image needs \d+ MiB of memory, \d+ MiB are free", said)
    assert f"perceus: {said}" in cluster.console("n101")
    assert "fetch" not in [report["stage"] for report in cluster.reports("n101", since)]


def test_a_node_leaves_servers_that_fail_and_boots_from_the_one_that_does_not(
    cluster: Cluster, told_of: Callable[..., None]
) -> None:
    told_of(f"{SERVER}/error", f"{SERVER}/wrong", f"{SERVER}/half")
    since = cluster.power_cycle("n101")
    cluster.wait_for_stage("n101", "ready", since=since)
    cluster.wait_for_login("n101")
    error, wrong, half, verified = said_of_the_image(cluster.reports("n101", since))
    assert error == ("retry", f"{SERVER}: curl: (22) The requested URL returned error: 500")
    assert wrong[0] == "refused" and re.fullmatch(rf"{SERVER}: wanted \w{{64}} got \w{{64}}", wrong[1])
    assert half[0] == "retry" and half[1].startswith(f"{SERVER}: curl: (18)")
    assert verified == ("verified", "")
    console = cluster.console("n101", 10000)
    for _stage, detail in (error, wrong, half):
        assert f"perceus: the image cannot be had from {detail}" in console
    assert "perceus: fetching the rest of http://10.17.5.1/vnfs/" in console
