# SPDX-License-Identifier: GPL-3.0-or-later
"""``node_import`` and its playbook as an operator meets them, with what other provisioners print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.importers import dhcpd
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry

from tests.integration.lease_files.servers import Dhcpd

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests/unit/plugins/module_utils/_nodes/importers/samples"
CALL = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.perceus.cluster.plugins.modules import node_import
with patch_module_args(json.loads(sys.argv[1])):
    node_import.main()
"""

AS_MASTER = r"""
set -e
mount -t tmpfs tmpfs /mnt
for folder in /etc /usr/local; do
    mkdir -p "/mnt$folder/upper" "/mnt$folder/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=/mnt$folder/upper,workdir=/mnt$folder/work" overlay "$folder"
done
install -D "$1" /etc/perceus/cluster.json
cat > /usr/local/bin/systemctl <<END
#!/bin/sh
case "\$*" in
    *show*) printf 'LoadState=loaded\nActiveState=inactive\nUnitFileState=static\n' ;;
    *) echo "\$*" >> $(dirname "$1")/systemctl ;;
esac
END
chmod 755 /usr/local/bin/systemctl
shift
exec "$@"
"""

BOOTING = """
group { host early { hardware ethernet 52:54:00:00:00:01; } deny booting; }
group { deny booting; host allowed { hardware ethernet 52:54:00:00:00:02; allow booting; } }
host ignored { hardware ethernet 52:54:00:00:00:03; ignore booting; }
host plain { hardware ethernet 52:54:00:00:00:04; }
allow booting"""


class Importer:
    """The module, run by a Python of its own on one cluster."""

    def __init__(self, config: ClusterConfig, config_file: Path, collections: Path) -> None:
        self.config = config
        self._file = config_file
        self._collections = collections

    def call(self, source: Path, *, check: bool, **options: Any) -> dict[str, Any]:
        arguments = {"src": str(source), "config": str(self._file), "_ansible_check_mode": check, **options}
        done = subprocess.run(
            [sys.executable, "-c", CALL, json.dumps(arguments)],
            env={**os.environ, "PYTHONPATH": str(self._collections)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        result: dict[str, Any] = json.loads(done.stdout)
        return result


@pytest.fixture
def importer(config: ClusterConfig, tmp_path: Path, installed: Path) -> Importer:
    return Importer(config, tmp_path / "cluster.json", installed.parents[2])


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.iterdir()))
def test_check_mode_foresees_the_import_and_a_second_one_changes_nothing(importer: Importer, sample: str) -> None:
    registry = importer.config.registry
    runs = [importer.call(SAMPLES / sample, check=check, _ansible_diff=True) for check in (True, False)]
    assert not any(run.get("failed") for run in runs), runs
    assert [run["changed"] for run in runs] == [True, True]
    for key in ("nodes", "masked", "left_out", "format"):
        assert runs[0][key] == runs[1][key]
    assert all(node["name"] in run["diff"]["after"] for run in runs for node in run["nodes"])
    written = registry.read_bytes()
    again = [importer.call(SAMPLES / sample, check=check) for check in (True, False)]
    assert [run["changed"] for run in again] == [False, False]
    assert {node["action"] for run in again for node in run["nodes"]} == {"none"}
    assert registry.read_bytes() == written
    assert [node["name"] for node in runs[1]["nodes"]] == [node.name for node in load_registry(registry).nodes]


def test_a_perceus_master_comes_over_in_three_files(importer: Importer) -> None:
    for vnfs in ("debuntu", "deb6.stls"):
        (importer.config.store / vnfs).mkdir()
    for sample in ("dnsmasq.txt", "ethers.txt", "perceus.txt"):
        result = importer.call(SAMPLES / sample, check=False, update=True)
    known = load_registry(importer.config.registry)
    assert [(node.name, str(node.address), node.group, node.vnfs, node.enabled) for node in known.nodes] == [
        ("n101", "10.17.5.101", "compute", "debuntu", True),
        ("n115", "10.17.5.115", "debian6", None, True),
        ("n138", "10.17.5.138", "debian7", None, False),
    ]
    assert known.groups["debian6"].vnfs == "deb6.stls"
    assert sorted(known.masked) == ["00:e0:81:27:2a:f1", "00:e0:81:27:2a:f2"]
    assert "VNFS 'deb7.stls'" in [part["what"] for part in result["left_out"]]


def test_check_mode_writes_nothing(importer: Importer) -> None:
    before = sorted(importer.config.state_dir.rglob("*"))
    assert importer.call(SAMPLES / "perceus.txt", check=True)["changed"]
    assert sorted(importer.config.state_dir.rglob("*")) == before


def test_a_file_that_is_not_there_is_named(importer: Importer, tmp_path: Path) -> None:
    result = importer.call(tmp_path / "nowhere", check=False)
    assert result["failed"]
    assert result["msg"] == f"Cannot read '{tmp_path / 'nowhere'}': No such file or directory"


def test_hostile_names_run_nothing_and_spoil_nothing(importer: Importer, tmp_path: Path) -> None:
    source = tmp_path / "hostile.csv"
    source.write_text(
        "name,mac\n\"{{ lookup('pipe', 'id') }}\",52:54:00:00:00:01\n-oProxyCommand=id,52:54:00:00:00:02\n"
        "../../etc,52:54:00:00:00:03\na;reboot,52:54:00:00:00:04\nn101,52:54:00:00:00:05\n"
    )
    result = importer.call(source, check=False)
    assert [node["name"] for node in result["nodes"]] == ["n101"]
    assert [part["line"] for part in result["left_out"]] == [2, 3, 4, 5]


def test_the_samples_are_what_the_daemons_themselves_read(tmp_path: Path) -> None:
    (tmp_path / "dhcpd.conf").write_text((SAMPLES / "dhcpd.conf").read_text().replace("include ", "# include "))
    for argv in (
        ["dhcpd", "-t", "-q", "-cf", str(tmp_path / "dhcpd.conf")],
        ["dnsmasq", "--test", f"--conf-file={SAMPLES / 'dnsmasq.txt'}"],
    ):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr


def test_dhcpd_answers_those_who_are_imported_and_not_those_who_are_masked(
    wire: Any, clients: Any, config: ClusterConfig, tmp_path: Path
) -> None:
    found = dhcpd.parse(f"{BOOTING};")
    server = Dhcpd(wire.master, config, config.leases, tmp_path, options=(BOOTING,))
    server.start()
    try:
        answered = {mac: bool(clients.offers(mac)) for mac in (f"52:54:00:00:00:0{number}" for number in range(1, 5))}
    finally:
        server.stop()
    assert set(found.masked) == {mac for mac, yes in answered.items() if not yes}
    assert {mac for node in found.nodes for mac in node["macs"]} == {mac for mac, yes in answered.items() if yes}
    assert len(found.masked) == 2


def test_imported_nodes_get_their_addresses_and_masked_machines_none(
    importer: Importer, dnsmasq: Any, clients: Any
) -> None:
    config = importer.config
    importer.call(SAMPLES / "dhcpd.conf", check=False)
    assert reconcile.run(lambda: config, reload=dnsmasq.reload, say=print) == 0
    deadline = time.monotonic() + 5
    while dnsmasq.look_up("n115.cluster.internal") != ["10.17.5.115"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert clients.boot("00:d0:68:12:09:c5").address == "10.17.5.101"
    assert clients.offers("00:e0:81:27:2a:f1") == []
    assert reconcile.run(lambda: config, reload=dnsmasq.reload, say=print) == 0
    assert "00:e0:81:27:2a:f1" not in load_registry(config.registry).by_mac


def play(config_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook where this configuration is the master's, with a stand-in for systemd that notes its words."""
    inventory = config_file.with_name("hosts.yml")
    host = "{ansible_connection: local, ansible_python_interpreter: /usr/bin/python3}"
    inventory.write_text(f"perceus_master: {{hosts: {{localhost: {host}}}}}")
    book = ("ansible-playbook", "-i", str(inventory), "perceus.cluster.nodes_import", "-e", "ansible_become=false")
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", AS_MASTER, "sh", str(config_file), *book, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_playbook_shows_all_and_imports_when_it_is_confirmed(importer: Importer, tmp_path: Path) -> None:
    file = f"file={SAMPLES / 'dhcpd.conf'}"
    asked = play(tmp_path / "cluster.json", "-e", file)
    assert asked.returncode != 0
    assert [word for word in ("n115", "host-identifier", "00:e0:81:27:2a:f1") if word not in asked.stdout] == []
    assert "Nothing is imported yet. Say that this is right with -e confirm=yes" in asked.stdout
    assert play(tmp_path / "cluster.json", "-e", file, "--check").returncode == 0
    assert not importer.config.registry.exists()
    done = play(tmp_path / "cluster.json", "-e", file, "-e", "confirm=yes")
    assert done.returncode == 0, done.stdout
    known = load_registry(importer.config.registry)
    assert [node.name for node in known.nodes] == ["a64-002", "n101", "n115"]
    assert known.masked == dict.fromkeys(("00:e0:81:27:2a:f1", "00:e0:81:27:2a:f3"), "imported from dhcpd")
    assert "start" in (tmp_path / "systemctl").read_text()
    again = play(tmp_path / "cluster.json", "-e", file, "-e", "confirm=yes")
    assert "changed=0" in again.stdout
