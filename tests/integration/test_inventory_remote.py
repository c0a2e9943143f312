# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory from a second machine, over a real sshd and a real nginx: the same as on the master, or a clear error.

Both machines are namespaces, with files of their own over those of this one. The second has nothing of the master's
but a network.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible_collections.perceus.cluster.plugins.lookup.master_code import write_archive
from ansible_collections.perceus.cluster.plugins.plugin_utils.remote_master import COMMAND

from .test_inventory_leases import LEASES, REGISTRY, REPORTS

MORTAL = ("setpriv", "--pdeathsig", "KILL")
MASTER, LAPTOP = "10.17.0.1", "10.17.0.2"
TOKEN, WRONG_TOKEN = "a" * 31 + "B", "a" * 31 + "b"
TIMEOUT = 4  # seconds that the sources of these tests wait
SET_UP = """
set -e
mount -t tmpfs tmpfs /mnt
for folder in /etc /root /var/lib /var/log /usr/local; do
    mkdir -p "/mnt$folder/upper" "/mnt$folder/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=/mnt$folder/upper,workdir=/mnt$folder/work" overlay "$folder"
done
mount -t tmpfs -o mode=0755 tmpfs /run
rm -rf /root/.ssh /root/.bashrc /root/.profile
mkdir -p /run/sshd /etc/perceus /var/lib/perceus /var/lib/misc /var/log/perceus /usr/local/lib/perceus
mkdir -m 0700 /root/.ssh
ip link set lo up
echo ready
exec sleep infinity
"""
CERTIFICATES = """
set -e
for name in site other; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name" \\
        -keyout "$name.key" -out "$name.pem"
done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=master -keyout master.key -out master.csr
printf 'subjectAltName=IP:10.17.0.1' > master.ext
openssl x509 -req -in master.csr -CA site.pem -CAkey site.key -CAcreateserial -days 2 -extfile master.ext \\
    -out master.pem
"""
SILENT = """
import socket, sys, time
listening = socket.create_server(("10.17.0.1", int(sys.argv[1])))
print("ready", flush=True)
kept = [listening.accept()[0]]
time.sleep(1000)
"""


@dataclass(frozen=True)
class Machine:
    """Network and files of one machine, held open by the process ``pid``."""

    pid: int

    def command(self, *argv: str) -> list[str]:
        spaces = (f"--net=/proc/{self.pid}/ns/net", f"--mount=/proc/{self.pid}/ns/mnt")
        return [*MORTAL, "nsenter", *spaces, *argv]

    def run(self, *argv: str, check: bool = True, content: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*argv), input=content, capture_output=True, text=True, check=check, timeout=60
        )

    def write(self, path: str, content: str, *, mode: str = "644") -> None:
        self.run("install", "-m", mode, "/dev/stdin", path, content=content)

    def inventory(
        self, options: Mapping[str, Any], *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ansible-inventory on a source with these options."""
        source = json.dumps({"plugin": "perceus.cluster.leases", **options})
        self.write("/root/perceus.yml", source)
        argv = self.command("ansible-inventory", "-i", "/root/perceus.yml", "--list", *arguments)
        env = {**os.environ, "HOME": "/root", "ANSIBLE_HOME": "/root/.ansible", **environment}
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)

    @contextmanager
    def serving(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(self.command(*argv), stdout=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=10)

    def wait_for_port(self, port: int) -> None:
        deadline = time.monotonic() + 10
        while not self.run("ss", "-Hltn", f"sport = :{port}").stdout:
            assert time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.02)


def listing(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    return " ".join(done.stderr.split())


@contextmanager
def machine_in(network: Any) -> Iterator[Machine]:
    argv = network.command("unshare", "--mount", "sh", "-c", SET_UP)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield Machine(process.pid)
        finally:
            process.kill()


@pytest.fixture
def master(wire: Any, config: Any, tmp_path: Path) -> Iterator[Machine]:
    """The master, as its roles leave it, with the nodes and machines of the other tests of the inventory."""
    settings = json.loads((tmp_path / "cluster.json").read_text())
    settings["leases"], settings["reports"] = "/var/lib/misc/dnsmasq.leases", "/var/log/perceus/reports.log"
    settings["state_dir"] = "/var/lib/perceus"
    assert config
    with machine_in(wire.master) as machine:
        machine.write("/etc/perceus/cluster.json", json.dumps(settings))
        machine.write(settings["leases"], LEASES)
        machine.write(settings["reports"], REPORTS)
        machine.write("/var/lib/perceus/nodes.json", REGISTRY)
        machine.run("mkdir", "-p", "-m", "700", "/var/lib/perceus/vnfs")
        machine.run("mkdir", "-p", "/var/lib/perceus/vnfs/debian/rootfs")
        write_archive(tmp_path / "perceus.zip", Path(__file__).parents[2] / "plugins/module_utils")
        machine.run("cp", str(tmp_path / "perceus.zip"), "/usr/local/lib/perceus/")
        yield machine


@pytest.fixture
def laptop(wire: Any) -> Iterator[Machine]:
    """A machine on the master's network that has nothing of the master's."""
    with machine_in(wire.nodes) as machine:
        wire.nodes.ip("address", "add", f"{LAPTOP}/16", "dev", "eth0")
        yield machine


@pytest.fixture
def sshd(master: Machine, laptop: Machine) -> Iterator[subprocess.Popen[str]]:
    """The master's sshd, which lets the laptop's user in, and whose host key that user knows."""
    master.run("ssh-keygen", "-qt", "ed25519", "-N", "", "-f", "/root/host_key")
    laptop.run("ssh-keygen", "-qt", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519")
    master.write("/root/.ssh/authorized_keys", laptop.run("cat", "/root/.ssh/id_ed25519.pub").stdout, mode="600")
    host_key = master.run("cat", "/root/host_key.pub").stdout
    laptop.write("/root/.ssh/known_hosts", f"{MASTER} {host_key}")
    options = ("-o", "HostKey=/root/host_key", "-o", "PidFile=none", "-o", f"ListenAddress={MASTER}")
    with master.serving("/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", *options) as process:
        master.wait_for_port(22)
        yield process


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    folder = tmp_path / "certificates"
    folder.mkdir()
    subprocess.run(["sh", "-c", CERTIFICATES], cwd=folder, check=True, capture_output=True, timeout=30)
    return folder


@pytest.fixture
def nginx(master: Machine, laptop: Machine, certificates: Path, root: Path) -> Iterator[subprocess.Popen[str]]:
    """The master's nginx with the role's configuration, and the document that the role's unit writes."""
    role = root / "roles/inventory_server/templates/etc"
    for name in ("master.key", "master.pem"):
        master.write(f"/etc/perceus/{name}", (certificates / name).read_text(), mode="600")
    for name in ("site.pem", "other.pem"):
        laptop.write(f"/root/{name}", (certificates / name).read_text())
    text = jinja2.Template((role / "nginx/conf.d/perceus-inventory.conf.j2").read_text()).render(
        ansible_managed="by this test",
        inventory_server_tokens=["c" * 32, TOKEN],
        inventory_server_certificate="/etc/perceus/master.pem",
        inventory_server_key="/etc/perceus/master.key",
        inventory_server_listen=f"{MASTER}:443",
        inventory_server_name="_",
    )
    whole = f"user www-data; daemon off; pid /run/nginx.pid; events {{}} http {{ {text} }}"
    master.write("/etc/perceus/nginx.conf", whole, mode="600")
    master.run("install", "-d", "-m", "2750", "-g", "www-data", "/var/lib/perceus/inventory")
    write_document(master, root)
    with master.serving("nginx", "-e", "/dev/stderr", "-c", "/etc/perceus/nginx.conf") as process:
        master.wait_for_port(443)
        yield process


def write_document(master: Machine, root: Path) -> None:
    """Do what the role's unit does."""
    unit = (root / "roles/inventory_server/templates/etc/systemd/system/perceus-inventory.service.j2").read_text()
    settings = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
    environment = settings["Environment"].replace("{{ __inventory_server_code }}", "/usr/local/lib/perceus/perceus.zip")
    master.run("env", environment, *shlex.split(settings["ExecStart"]))


BY_SSH = {"master": f"ssh://root@{MASTER}", "timeout": TIMEOUT}
BY_HTTPS = {"master": f"https://{MASTER}", "ca_file": "~/site.pem", "timeout": TIMEOUT}


@pytest.mark.usefixtures("sshd")
def test_by_ssh_alone_it_is_the_same_as_on_the_master(master: Machine, laptop: Machine) -> None:
    on_master = listing(master.inventory({}))
    assert on_master["nodes"]["hosts"] == ["n101", "n102"]
    assert on_master["vnfs_capsules"]["hosts"] == ["debian.vnfs"]
    assert listing(laptop.inventory(BY_SSH)) == on_master


@pytest.mark.usefixtures("nginx")
def test_by_https_and_token_alone_it_is_the_same_as_on_the_master(master: Machine, laptop: Machine) -> None:
    found = listing(laptop.inventory(BY_HTTPS, PERCEUS_INVENTORY_TOKEN=TOKEN))
    assert found == listing(master.inventory({}))
    assert listing(laptop.inventory({**BY_HTTPS, "token": TOKEN})) == found


def test_a_key_may_be_good_for_this_alone(master: Machine, laptop: Machine, sshd: Any) -> None:
    assert sshd
    key = laptop.run("cat", "/root/.ssh/id_ed25519.pub").stdout
    master.write("/root/.ssh/authorized_keys", f'restrict,command="{COMMAND}" {key}', mode="600")
    assert listing(laptop.inventory(BY_SSH)) == listing(master.inventory({}))
    assert "perceus-inventory" in laptop.run("ssh", "-o", "BatchMode=yes", f"root@{MASTER}", "id").stdout


@pytest.mark.usefixtures("nginx")
@pytest.mark.parametrize(
    ("options", "token", "words"),
    [
        ({}, WRONG_TOKEN, "the server answers 401. Is the token one of the master's?"),
        ({}, TOKEN.lower(), "the server answers 401"),
        ({}, TOKEN + "x", "the server answers 401"),
        ({}, "", "Cannot use the option 'token': it is empty or no bearer token"),
        ({"ca_file": "~/other.pem"}, TOKEN, "its certificate is not accepted"),
        ({"ca_file": None}, TOKEN, "its certificate is not accepted"),
        ({"ca_file": "/root/missing.pem"}, TOKEN, "there is no file '/root/missing.pem'"),
        ({"master": f"https://{MASTER}/other"}, TOKEN, "the server answers 404"),
        ({"master": f"https://{MASTER}:444"}, TOKEN, "Connection refused"),
    ],
)
def test_by_https_what_is_wrong_is_said_without_the_token(
    laptop: Machine, options: Mapping[str, Any], token: str, words: str
) -> None:
    done = laptop.inventory({**BY_HTTPS, **options}, "-vvvvv", PERCEUS_INVENTORY_TOKEN=token)
    assert words in complaint(done)
    assert not token or token not in done.stdout + done.stderr


def test_by_ssh_what_is_wrong_is_said(master: Machine, laptop: Machine, sshd: subprocess.Popen[str]) -> None:
    known = laptop.run("cat", "/root/.ssh/known_hosts").stdout
    other = laptop.run("cat", "/root/.ssh/id_ed25519.pub").stdout
    for known_hosts in ("", f"{MASTER} {other}"):
        laptop.write("/root/.ssh/known_hosts", known_hosts)
        assert "Host key verification failed" in complaint(laptop.inventory(BY_SSH))
    laptop.write("/root/.ssh/known_hosts", known)
    master.run("mv", "/var/lib/misc/dnsmasq.leases", "/var/lib/misc/gone")
    assert "Cannot read leases '/var/lib/misc/dnsmasq.leases'" in complaint(laptop.inventory(BY_SSH))
    master.run("rm", "/usr/local/lib/perceus/perceus.zip")
    assert "No module named 'perceus'" in complaint(laptop.inventory(BY_SSH))
    master.write("/root/.ssh/authorized_keys", "")
    assert "Permission denied" in complaint(laptop.inventory(BY_SSH))
    sshd.terminate()
    sshd.wait()
    assert "Connection refused" in complaint(laptop.inventory(BY_SSH))


@pytest.mark.parametrize(("url", "port"), [(f"ssh://{MASTER}", 22), (f"https://{MASTER}", 443)])
def test_a_master_that_says_nothing_is_given_up(master: Machine, laptop: Machine, url: str, port: int) -> None:
    with master.serving("python3", "-c", SILENT, str(port)):
        master.wait_for_port(port)
        start = time.monotonic()
        done = laptop.inventory({"master": url, "token": TOKEN, "timeout": TIMEOUT})
        assert TIMEOUT - 1 < time.monotonic() - start < TIMEOUT + 10
    assert "Cannot read the inventory" in complaint(done)


@pytest.mark.parametrize("way", [BY_SSH, BY_HTTPS])
def test_what_was_read_last_stands_in_with_its_age(
    laptop: Machine, sshd: subprocess.Popen[str], nginx: subprocess.Popen[str], way: Mapping[str, Any]
) -> None:
    options = {**way, "token": TOKEN, "last_good": "/root/last.json"}
    before = listing(laptop.inventory(options))
    for daemon in (sshd, nginx):
        daemon.terminate()
        daemon.wait()
    laptop.run("touch", "-d", "-1 hour", "/root/last.json")
    done = laptop.inventory(options)
    assert listing(done) == before
    assert "the inventory shown is 360" in " ".join(done.stderr.split())
    laptop.run("rm", "/root/last.json")
    assert "Connection refused" in complaint(laptop.inventory(options))


@pytest.mark.usefixtures("nginx")
def test_a_document_that_nobody_renews_is_shown_with_its_age(master: Machine, laptop: Machine, root: Path) -> None:
    master.run("touch", "-d", "-1 hour", "/var/lib/perceus/inventory/inventory.json")
    done = laptop.inventory({**BY_HTTPS, "token": TOKEN})
    assert listing(done)["nodes"]["hosts"] == ["n101", "n102"]
    assert "seconds old: see perceus-inventory.service" in " ".join(done.stderr.split())
    write_document(master, root)
    assert "perceus-inventory.service" not in laptop.inventory({**BY_HTTPS, "token": TOKEN}).stderr


@pytest.mark.usefixtures("nginx")
def test_nginx_gives_the_document_to_the_token_alone(laptop: Machine) -> None:
    def ask(path: str, *arguments: str) -> str:
        argv = ("curl", "-so", "/dev/null", "-w", "%{http_code}", "--cacert", "/root/site.pem", *arguments)
        return laptop.run(*argv, f"https://{MASTER}{path}").stdout

    token = ("-H", f"Authorization: Bearer {TOKEN}")
    assert ask("/inventory", *token) == "200"
    assert [ask("/inventory"), ask("/inventory", "-H", f"Authorization: {TOKEN}")] == ["401", "401"]
    assert [ask(path, *token) for path in ("/", "/inventory/", "/inventory.json", "/boot/start.ipxe")] == ["404"] * 4
    assert ask("/inventory", *token, "-d", "x") == "405"


@pytest.mark.usefixtures("nginx")
def test_only_the_web_server_may_read_the_document(master: Machine) -> None:
    document = "/var/lib/perceus/inventory/inventory.json"
    assert master.run("stat", "-c", "%a %U %G", document).stdout == "640 root www-data\n"
    assert master.run("setpriv", "--reuid=nobody", "--clear-groups", "cat", document, check=False).returncode != 0
