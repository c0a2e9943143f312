# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile words from leases, registry and reports on the whole way: inventory, template, command line, ssh, DNS, boot.

Ansible's own programs run, with the real inventory plugin; only the ssh program is one that tells where it would go.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile

UNSAFE = "__ansible_unsafe"
HOSTILE = [
    "{{lookup('pipe','touch${IFS}MARKER')}}",
    "{{ lookup('pipe', 'touch MARKER') }}",
    "{%set${IFS}x=lookup('pipe','touch${IFS}MARKER')%}",
    "{#",
    "$(touch${IFS}MARKER)",
    "`touch${IFS}MARKER`",
    "-oProxyCommand=touch${IFS}MARKER",
    "../../etc",
    "a;touch${IFS}MARKER",
    "a|reboot",
    "x" * 300,
    "pässword",
    "nul\0nul",
    "a\x1b[2J",
    "n101.",
    "!unsafe",
    "&a",
]
# A name is a line's end away from being a record: no server writes one, so this is only for those that read.
LINE_ENDS = ["a\nb", "a\rb"]

DNSMASQ = "4000000000 {mac} {address} {name} *\n"
DHCPD = """\
lease {address} {{
  ends 4 2096/10/02 07:06:40;
  binding state active;
  hardware ethernet {mac};
  client-hostname "{name}";
}}
"""
KEA = "{address},{mac},,600,4000000000,1,0,0,{name},0,\n"
KEA_HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
FORMATS = {"dnsmasq": ("", DNSMASQ), "dhcpd": ("", DHCPD), "kea": (KEA_HEADER, KEA)}
KEA_ESCAPES = str.maketrans({",": "&#x2c", "&": "&#x26"})

# What a site makes of an inventory: a hosts file, a zone, a command line, and all that there is to be said.
PLAY = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.template:
        src: site.j2
        dest: "{{ out }}"
        mode: "0644"
    - ansible.builtin.command:
        argv: "{{ ['printf', '%s '] + names }}"
      vars:
        names: "{{ groups.all | map('extract', hostvars) | map(attribute='perceus_lease_name', default='-') | list }}"
    - ansible.builtin.shell: "true {{ groups.all | map('quote') | join(' ') }}"
    - ansible.builtin.debug:
        msg: "{{ hostvars }}"
"""
TEMPLATE = """\
{% for host in groups.all %}
{{ hostvars[host].perceus_address | default('') }} {{ host }} {{ hostvars[host].perceus_lease_name | default('-') }}\
 {{ hostvars[host].perceus_description | default('') }} {{ hostvars[host].perceus_reported | default('') }}
{% endfor %}
"""
SSH = """\
#!/bin/sh
exec ssh -G "$@" >>"$(dirname "$0")/ssh.log"
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture
def run(config: ClusterConfig, tmp_path: Path) -> Run:
    """Run one of ansible's programs on the inventory, or on another ``source``."""
    assert config
    own = tmp_path / "perceus.yml"
    own.write_text(f"plugin: perceus.cluster.leases\nconfig: {tmp_path / 'cluster.json'}\n")
    (tmp_path / "site.j2").write_text(TEMPLATE)
    (tmp_path / "play.yml").write_text(PLAY)

    def run(program: str, *arguments: str, source: Path = own) -> subprocess.CompletedProcess[str]:
        argv = [program, "-i", str(source), *arguments]
        return subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


def write_leases(config: ClusterConfig, kind: str, names: dict[str, str]) -> None:
    head, record = FORMATS[kind]
    records = [
        record.format(
            mac=mac, address=f"10.17.64.{number}", name=name.translate(KEA_ESCAPES) if kind == "kea" else name
        )
        for number, (mac, name) in enumerate(names.items(), start=1)
    ]
    config.leases.write_text(head + "".join(records))


def by_mac(words: list[str], marker: Path) -> dict[str, str]:
    return {
        f"52:54:00:00:00:{number:02x}": word.replace("MARKER", str(marker))
        for number, word in enumerate(words, start=1)
    }


def list_inventory(run: Run) -> tuple[dict[str, Any], str]:
    done = run("ansible-inventory", "--list")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, object_hook=lambda value: value.get(UNSAFE, value)), " ".join(done.stderr.split())


def go_all_the_way(run: Run, tmp_path: Path) -> str:
    """Make of the inventory what a site makes of it; return what came out."""
    out = tmp_path / "out"
    done = run("ansible-playbook", "play.yml", "-e", f"out={out}")
    assert done.returncode == 0, done.stdout + done.stderr
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    run(
        "ansible",
        "all:!vnfs_capsules",
        "-m",
        "ansible.builtin.raw",
        "-a",
        "true",
        "-e",
        f"ansible_ssh_executable={ssh}",
    )
    gone = (tmp_path / "ssh.log").read_text()
    assert "\nproxycommand" not in gone and "\nhostname 10.17." in gone
    return out.read_text()


@pytest.mark.parametrize("kind", list(FORMATS))
def test_names_of_clients_run_nothing_and_are_told_by_mac(
    run: Run, config: ClusterConfig, tmp_path: Path, marker: Path, kind: str
) -> None:
    names = by_mac(HOSTILE, marker)
    write_leases(config, kind, {**names, "52:54:00:00:01:01": "good"})
    listing, warnings = list_inventory(run)
    assert len(listing["unknown"]["hosts"]) == len(names) + 1
    variables = listing["_meta"]["hostvars"]
    said = {host: known["perceus_lease_name"] for host, known in variables.items() if "perceus_lease_name" in known}
    # Kea ends names that have a domain with a dot; without it, this one is a host name.
    harmless = {mac for mac, name in names.items() if kind == "kea" and name == "n101."}
    assert said.pop("mac-525400000101") == "good"
    assert set(said) == {f"mac-{mac.replace(':', '')}" for mac in harmless}
    assert [mac for mac in names if f"Lease of {mac}: " not in warnings] == list(harmless)
    assert "mac-525400000101 good" in go_all_the_way(run, tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("kind", list(FORMATS))
def test_names_of_clients_are_in_nothing_that_the_master_serves(config: ClusterConfig, marker: Path, kind: str) -> None:
    names = by_mac(HOSTILE, marker)
    write_leases(config, kind, names)
    assert reconcile.run(lambda: config, reload=lambda: None, say=lambda _line: None) == 0
    served = [path for path in config.state_dir.rglob("*") if path.is_file()]
    text = "\n".join(path.read_text() for path in served) + "\n".join(path.name for path in served)
    assert text.count("52:54:00:00:00:") >= len(names), "nothing was adopted: this test proved nothing"
    assert [name for name in names.values() if name not in {"n101.", "&a", "{#"} and name in text] == []
    assert not marker.exists()


@pytest.mark.parametrize("kind", list(FORMATS))
@pytest.mark.parametrize("name", LINE_ENDS)
def test_a_line_end_in_a_name_makes_no_machine_and_hides_none(
    run: Run, config: ClusterConfig, kind: str, name: str
) -> None:
    """No server writes one; were it so, the machines of other lines would be there as ever."""
    names = {"52:54:00:00:00:01": "good", "52:54:00:00:00:02": name, "52:54:00:00:00:03": "fine"}
    write_leases(config, kind, names)
    listing, warnings = list_inventory(run)
    assert {"mac-525400000001", "mac-525400000003"} <= set(listing["unknown"]["hosts"])
    assert set(listing["unknown"]["hosts"]) <= {f"mac-{mac.replace(':', '')}" for mac in names}
    assert "Cannot use " in warnings


def test_the_words_are_such_as_run_when_another_inventory_lets_them_through(
    run: Run, tmp_path: Path, marker: Path
) -> None:
    """By a script that makes hosts of leases, as sites write them. Were they harmless, no test here would count."""
    script = tmp_path / "hosts.py"
    known = {"n1": {"perceus_lease_name": HOSTILE[1].replace("MARKER", str(marker)), "ansible_connection": "local"}}
    script.write_text(
        "#!/usr/bin/python3\nprint("
        + repr(json.dumps({"all": {"hosts": ["n1"]}, "_meta": {"hostvars": known}}))
        + ")\n"
    )
    script.chmod(0o755)
    run("ansible", "n1", "-m", "ansible.builtin.debug", "-a", "msg={{ perceus_lease_name }}", source=script)
    assert marker.exists()


def registry_of(**node: Any) -> str:
    entry = {
        "name": "n101",
        "macs": ["52:54:00:00:00:01"],
        "address": "10.17.5.101",
        "group": "compute",
        "enabled": True,
        "machine_id": "0" * 31 + "1",
        "adopted": "2030-01-01T00:00:00Z",
        **node,
    }
    head = '{"format": "perceus-nodes", "version": 2, "groups": {"compute": {}}, "nodes": [\n'
    return f"{head}{json.dumps(entry)}\n]}}\n"


@pytest.mark.parametrize("key", ["name", "group", "vnfs"])
def test_a_hostile_name_in_the_registry_is_a_failure_that_names_its_line(
    run: Run, config: ClusterConfig, tmp_path: Path, marker: Path, key: str
) -> None:
    config.leases.touch()
    for word in (HOSTILE[0].replace("MARKER", str(marker)), *LINE_ENDS):
        config.registry.write_text(registry_of(**{key: word}))
        done = run("ansible-playbook", "play.yml", "-e", f"out={tmp_path / 'out'}")
        assert done.returncode != 0
        assert "line 2: Cannot name a" in " ".join(done.stderr.split())
        with pytest.raises(PerceusError, match="line 2: Cannot name a"):
            reconcile.run(lambda: config, reload=lambda: None, say=lambda _line: None)
    assert not (tmp_path / "out").exists()
    assert not marker.exists()


def test_free_words_in_the_registry_run_nothing(run: Run, config: ClusterConfig, tmp_path: Path, marker: Path) -> None:
    word = HOSTILE[1].replace("MARKER", str(marker))
    config.leases.touch()
    config.registry.write_text(registry_of(description=word, variables={"rack": word, "rows": [{"of": word}]}))
    listing, _warnings = list_inventory(run)
    assert listing["nodes"]["hosts"] == ["n101"]
    go_all_the_way(run, tmp_path)
    assert not marker.exists()


def test_words_in_reports_run_nothing(run: Run, config: ClusterConfig, tmp_path: Path, marker: Path) -> None:
    """nginx writes the query as it came; only time and address are its own words."""
    config.leases.touch()
    config.registry.write_text(registry_of())
    report = {
        "time": "2030-01-01T00:00:00+00:00",
        "address": "10.17.5.101",
        "stage": "ready",
        "mac": "52:54:00:00:00:01",
        "generation": "0123456789abcdef",
        "boot": "1",
        "detail": "",
        "hostkey": "",
    }
    words = [word.replace("MARKER", str(marker)) for word in (*HOSTILE, *LINE_ENDS)]
    lines = [
        json.dumps({**report, key: form(word)})
        for word in words
        for form in (str, quote)
        for key in ("stage", "mac", "generation", "boot", "detail", "hostkey")
    ]
    config.reports.write_text("\n".join(lines) + "\n")
    listing, _warnings = list_inventory(run)
    n101 = listing["_meta"]["hostvars"]["n101"]
    assert (n101["perceus_state"], n101["perceus_generation"]) == ("ready", "0123456789abcdef")
    assert [group for group in listing if group.startswith("state_")] == ["state_ready"]
    go_all_the_way(run, tmp_path)
    assert not marker.exists()
