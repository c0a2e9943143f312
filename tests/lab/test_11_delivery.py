# SPDX-License-Identifier: GPL-3.0-or-later
"""Image servers beside the master: one that is killed while a node fetches from it, and a cache that stands in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.conftest import Cluster

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("nodes")]

KEY = "/etc/perceus/image_key"
DYING, CACHE = "10.17.5.1:8081", "10.17.5.1:8082"
CONFIG = "/etc/perceus/cluster.json"
# A server that takes half a minute for an image.
SLOW = f"""
daemon off; pid /run/dying.pid; user www-data; events {{}}
http {{
    server {{
        listen {DYING}; access_log off; limit_rate 4m;
        location ~ "^/vnfs/([^/]+)/([^/]+)/(.+)$" {{ alias /var/lib/perceus/vnfs/$1/images/$2/$3; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def servers(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nodes are told of a slow server, of a cache and of the master, in this order."""
    inventory = tmp_path_factory.mktemp("inventory") / "caches.yml"
    variables = {"image_cache_master": "http://10.17.5.1", "image_cache_listen": CACHE, "image_cache_size": "1g"}
    inventory.write_text(json.dumps({"perceus_image_caches": {"hosts": {"master": {}}, "vars": variables}}))
    for changed in ("changed=3", "changed=0"):
        assert changed in cluster.playbook("image_caches", "--inventory", str(inventory))
    cluster.on_master("/etc/nginx/dying.conf").write_text(SLOW)
    cluster.run("master", "systemd-run", "--quiet", "--unit=dying", "/usr/sbin/nginx", "-c", "/etc/nginx/dying.conf")
    config = cluster.on_master(CONFIG)
    before = config.read_text()
    urls = [{"url": f"http://{server}", "order": order} for order, server in enumerate((DYING, CACHE))]
    _configure(cluster, config, json.dumps({**json.loads(before), "image_servers": urls}))
    yield
    _configure(cluster, config, before)
    drop_in = "/etc/systemd/system/nginx.service.d/perceus-image-cache.conf"
    cluster.run("master", "rm", "/etc/nginx/conf.d/perceus-image-cache.conf", "/etc/nginx/dying.conf", drop_in)
    cluster.run("master", "systemctl", "daemon-reload")
    cluster.run("master", "systemctl", "reload", "nginx.service")
    cluster.run("master", "rm", "-r", "/var/cache/perceus-images")


def _configure(cluster: Cluster, config: Path, text: str) -> None:
    config.write_text(text)
    cluster.run("master", "systemctl", "start", "perceus-reconcile.service")


@pytest.mark.usefixtures("servers")
def test_a_node_goes_on_from_the_second_server_when_the_first_is_killed_in_mid_download(cluster: Cluster) -> None:
    since = cluster.power_cycle("n101")
    cluster.wait_for_stage("n101", "fetch", since=since)
    time.sleep(8)
    assert cluster.run("master", "ss", "--no-header", "--tcp", "state", "established", "sport", "8081").strip()
    cluster.run("master", "systemctl", "kill", "--signal=KILL", "dying.service")
    cluster.wait_for_stage("n101", "ready", since=since)
    cluster.wait_for_login("n101")
    reports = cluster.reports("n101", since)
    assert [report["stage"] for report in reports if report["stage"] != "heartbeat"][:5] == [
        "fetch",
        "retry",
        "verified",
        "pivot",
        "ready",
    ]
    assert reports[1]["detail"].replace("+", " ").startswith(f"{DYING}: curl: (")
    assert f"fetching the rest of http://{CACHE}/vnfs/debian/" in cluster.console("n101", 10000)
    # What the cache fetched of the master is the rest of the image, in slices.
    kept = int(cluster.run("master", "du", "--summarize", "--bytes", "/var/cache/perceus-images").split()[0])
    image = cluster.on_master("/var/lib/perceus/vnfs/debian/current/rootfs.squashfs").stat().st_size
    assert 0 < kept < image


def test_a_node_boots_what_is_signed_by_the_key_that_its_initramfs_knows(cluster: Cluster) -> None:
    cluster.run("master", f"ssh-keygen -q -t ed25519 -N '' -f {KEY}")
    _sign_by(cluster, KEY)
    try:
        signed = cluster.on_master("/var/lib/perceus/vnfs/debian/current")
        assert (signed / "SHA256SUMS.sig").exists()
        since = cluster.boot("n102")
        assert "the image's checksum is signed" in cluster.console("n102", 10000)
        assert cluster.reports("n102", since)[-1]["generation"] == signed.readlink().name
    finally:
        _sign_by(cluster, "")
        cluster.run("master", "rm", KEY, f"{KEY}.pub")


def _sign_by(cluster: Cluster, key: str) -> None:
    cluster.playbook("vnfs_configure", "--extra-vars", json.dumps({"configure": {"signing_key": key}}))
    cluster.playbook("vnfs_publish")
    cluster.run("master", "systemctl", "start", "perceus-reconcile.service")
