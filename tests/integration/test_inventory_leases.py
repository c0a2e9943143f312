# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin and ``node_info`` as a user meets them: through ansible's own programs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig

UNSAFE = "__ansible_unsafe"  # so Ansible writes down a text that it must never take for a template
FIXED_GROUPS = (
    *("nodes", "live", "expired", "unknown", "quarantine", "disabled", "drifted", "needs_reboot"),
    "vnfs_capsules",
)
LEASES = """\
4000000000 52:54:00:00:00:01 10.17.64.1 n102 01:52:54:00:00:00:01
4000000000 52:54:00:00:00:02 10.17.5.102 * *
4000000000 52:54:00:00:00:03 10.17.64.3 stranger *
1 52:54:00:00:00:04 10.17.64.4 * *
"""
REGISTRY = """\
{"format": "perceus-nodes", "version": 1,
"groups": {"compute": {}, "gpu": {"vnfs": "rocky-9"}},
"nodes": [
{"name": "n101", "macs": ["52:54:00:00:00:01"], "address": "10.17.5.101", "group": "compute", "enabled": true, \
"machine_id": "00000000000000000000000000000001", "adopted": "2030-01-01T00:00:00Z"},
{"name": "n102", "macs": ["52:54:00:00:00:02"], "address": "10.17.5.102", "group": "gpu", "enabled": false, \
"machine_id": "00000000000000000000000000000002", "adopted": "2030-01-01T00:00:00Z"}
]}
"""
# The second line claims to be n102 but comes from n101's address; the last is cut short.
REPORTS = """\
{"time": "2030-01-01T00:00:05+00:00", "address": "10.17.5.101", "stage": "ready", "mac": "52:54:00:00:00:01", \
"generation": "0123456789abcdef", "boot": "", "detail": "", "hostkey": ""}
{"time": "2030-01-01T00:00:06+00:00", "address": "10.17.5.101", "stage": "ready", "mac": "52:54:00:00:00:02", \
"generation": "0123456789abcdef", "boot": "", "detail": "", "hostkey": ""}
{"time": "2030-01-01T00:00:07+00:00", "addr
"""
PLAY = """\
- hosts: unknown
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} {{ perceus_lease_name | default('has no name') }} {{ hostvars }}"
"""

Ansible = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "perceus.yml"
    source.write_text(f"plugin: perceus.cluster.leases\nconfig: {tmp_path / 'cluster.json'}\n")
    return source


@pytest.fixture
def ansible(source: Path) -> Ansible:
    """Run one of ansible's programs on the inventory."""

    def ansible(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [program, "-i", str(source), *arguments]
        return subprocess.run(argv, cwd=source.parent, capture_output=True, text=True, timeout=60, check=False)

    return ansible


@pytest.fixture
def cluster(config: ClusterConfig) -> ClusterConfig:
    """Node n101, which is ready; node n102, disabled, with a VNFS of its own; and two machines that are no nodes."""
    config.registry.write_text(REGISTRY)
    config.leases.write_text(LEASES)
    config.reports.write_text(REPORTS)
    return config


def list_inventory(ansible: Ansible) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
    """Return the hosts of each group and the variables of each host."""
    done = ansible("ansible-inventory", "--list")
    assert done.returncode == 0, done.stderr
    listing = json.loads(done.stdout, object_hook=lambda value: value.get(UNSAFE, value))
    variables = listing.pop("_meta")["hostvars"]
    return {group: content.get("hosts", []) for group, content in listing.items()}, variables


@pytest.mark.usefixtures("cluster")
def test_groups_say_what_each_machine_is(ansible: Ansible) -> None:
    groups, _variables = list_inventory(ansible)
    assert {name: hosts for name, hosts in groups.items() if name not in {"all", "ungrouped"}} == {
        "nodes": ["n101", "n102"],
        "live": ["n101", "n102", "mac-525400000003"],
        "expired": ["mac-525400000004"],
        "unknown": ["mac-525400000003", "mac-525400000004"],
        "disabled": ["n102"],
        "group_compute": ["n101"],
        "group_gpu": ["n102"],
        "vnfs_debian": ["n101"],
        "vnfs_rocky_9": ["n102"],
        "state_ready": ["n101"],
    }


@pytest.mark.usefixtures("cluster")
def test_variables_say_what_is_known_and_nothing_else(ansible: Ansible) -> None:
    _groups, variables = list_inventory(ansible)
    assert variables["n101"] == {
        "ansible_host": "10.17.5.101",
        "perceus_address": "10.17.5.101",
        "perceus_enabled": True,
        "perceus_generation": "0123456789abcdef",
        "perceus_heard": "2030-01-01T00:00:05+00:00",
        "perceus_group": "compute",
        "perceus_lease_address": "10.17.64.1",
        "perceus_lease_expiry": 4000000000,
        "perceus_lease_name": "n102",
        "perceus_mac": "52:54:00:00:00:01",
        "perceus_reported": "2030-01-01T00:00:05+00:00",
        "perceus_state": "ready",
        "perceus_vnfs": "debian",
        "perceus_vnfs_origin": "default",
    }
    assert variables["mac-525400000003"] == {
        "ansible_host": "10.17.64.3",
        "perceus_address": "10.17.64.3",
        "perceus_lease_address": "10.17.64.3",
        "perceus_lease_expiry": 4000000000,
        "perceus_lease_name": "stranger",
        "perceus_mac": "52:54:00:00:00:03",
    }
    assert variables["n102"]["perceus_vnfs_origin"] == "group"
    assert "perceus_state" not in variables["n102"], "a report from another node's address counted"


@pytest.mark.usefixtures("cluster")
def test_every_text_is_tagged_unsafe(ansible: Ansible) -> None:
    variables = json.loads(ansible("ansible-inventory", "--list").stdout)["_meta"]["hostvars"]
    texts = [value for host in variables.values() for value in host.values() if not isinstance(value, (bool, int))]
    assert {UNSAFE: "n102"} in texts
    assert [value for value in texts if not isinstance(value, dict) or set(value) != {UNSAFE}] == []


@pytest.mark.usefixtures("cluster")
def test_sites_make_their_own_groups_and_variables(ansible: Ansible, source: Path) -> None:
    source.write_text(
        source.read_text()
        + """\
strict: true
compose:
  shelf: perceus_address.split('.')[2]
groups:
  stuck: perceus_state | default('') == 'retry'
  fine: perceus_state | default('') == 'ready'
keyed_groups:
  - prefix: runs
    key: perceus_generation | default('nothing')
"""
    )
    groups, variables = list_inventory(ansible)
    assert variables["n101"]["shelf"] == "5"
    assert "stuck" not in groups
    assert groups["fine"] == groups["runs_0123456789abcdef"] == ["n101"]


def test_an_empty_cluster_has_all_fixed_groups(ansible: Ansible, config: ClusterConfig) -> None:
    config.leases.write_text("")
    groups = ansible("ansible-inventory", "--graph").stdout
    assert [group for group in FIXED_GROUPS if f"@{group}:" not in groups] == []


@pytest.fixture
def store(cluster: ClusterConfig) -> Path:
    """Three VNFSs: one is published, one has a tree only, and one has no tree."""
    for name in ("debian/rootfs", "debian/images/0123456789abcdef", "rocky-9.3/rootfs", "empty/images"):
        (cluster.store / name).mkdir(parents=True)
    (cluster.store / "debian/current").symlink_to("images/0123456789abcdef")
    return cluster.store


@pytest.mark.usefixtures("store")
def test_each_tree_is_a_host_to_work_in_and_no_machine(ansible: Ansible) -> None:
    groups, variables = list_inventory(ansible)
    assert groups["vnfs_capsules"] == ["debian.vnfs", "rocky-9.3.vnfs"]
    assert [name for name, hosts in groups.items() if "debian.vnfs" in hosts] == ["vnfs_capsules"]
    way_in = {"ansible_connection": "perceus.cluster.vnfs", "ansible_python_interpreter": "/usr/bin/python3"}
    generation = {"perceus_generation": "0123456789abcdef"}
    assert variables["debian.vnfs"] == {**way_in, **generation, "perceus_vnfs": "debian"}
    assert variables["rocky-9.3.vnfs"] == {**way_in, "perceus_vnfs": "rocky-9.3"}


@pytest.mark.usefixtures("store")
def test_no_vnfs_is_in_groups_that_a_site_makes_of_machines(ansible: Ansible, source: Path) -> None:
    source.write_text(
        source.read_text()
        + """strict: true
compose: {shelf: perceus_address}
groups: {stock: perceus_vnfs | default('') == 'debian'}
keyed_groups: [{prefix: runs, key: perceus_generation | default('nothing')}]
"""
    )
    groups, _variables = list_inventory(ansible)
    assert groups["stock"] == groups["runs_0123456789abcdef"] == ["n101"]


@pytest.mark.parametrize("name", ["{{lookup('pipe','touch${IFS}MARKER')}}", "-oProxyCommand=id", "a;id", "a\nb", "A"])
def test_a_hostile_folder_in_the_store_is_no_host_and_is_named(
    ansible: Ansible, store: Path, tmp_path: Path, name: str
) -> None:
    (store / name / "rootfs").mkdir(parents=True)
    done = ansible("ansible-inventory", "--list")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["vnfs_capsules"]["hosts"] == ["debian.vnfs", "rocky-9.3.vnfs"]
    assert f"Cannot name a VNFS {name!r}: not a plain name. It is no host" in " ".join(done.stderr.split())
    assert not (tmp_path / "MARKER").exists()


@pytest.mark.usefixtures("cluster")
def test_a_store_that_cannot_be_listed_hides_no_machine(ansible: Ansible, source: Path) -> None:
    source.write_text(source.read_text() + f"store: {source}\n")
    done = ansible("ansible-inventory", "--list")
    assert json.loads(done.stdout)["nodes"]["hosts"] == ["n101", "n102"]
    assert "Cannot list the VNFSs in" in done.stderr


@pytest.mark.parametrize("missing", ["cluster.json", "dnsmasq.leases"])
def test_a_missing_source_is_a_failure_that_names_it(
    ansible: Ansible, cluster: ClusterConfig, tmp_path: Path, missing: str
) -> None:
    assert cluster
    (tmp_path / missing).unlink()
    done = ansible("ansible-inventory", "--list")
    assert done.returncode != 0
    assert f"{tmp_path / missing}" in done.stderr.replace("\n", "")


def test_a_corrupt_registry_is_a_failure_that_names_its_line(ansible: Ansible, cluster: ClusterConfig) -> None:
    cluster.registry.write_text(REGISTRY.replace('"52:54:00:00:00:02"', '"52:54:00:00:00:01"'))
    done = ansible("ansible-inventory", "--list")
    assert done.returncode != 0
    assert "line 5: MAC 52:54:00:00:00:01 belongs to node 'n101' already" in " ".join(done.stderr.split())


def test_a_torn_file_gives_the_last_good_and_says_how_old(
    ansible: Ansible, cluster: ClusterConfig, source: Path, tmp_path: Path
) -> None:
    source.write_text(source.read_text() + f"last_good: {tmp_path / 'last.json'}\n")
    before = list_inventory(ansible)
    cluster.leases.write_text(LEASES[:100])
    done = ansible("ansible-inventory", "--list")
    assert "seconds old" in " ".join(done.stderr.split())
    assert list_inventory(ansible) == before


def test_a_torn_file_without_last_good_is_a_failure(ansible: Ansible, cluster: ClusterConfig) -> None:
    cluster.leases.write_text(LEASES[:100])
    done = ansible("ansible-inventory", "--list")
    assert done.returncode != 0
    assert "cut short" in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "{{lookup('pipe','touch${IFS}MARKER')}}",
        "{%set${IFS}x=lookup('pipe','touch${IFS}MARKER')%}",
        "$(touch${IFS}MARKER)",
        "-oProxyCommand=touch${IFS}MARKER",
        "../../etc/passwd",
        "a;touch${IFS}MARKER",
        "x" * 300,
        "pässword",
        "nul\0nul",
    ],
)
def test_a_hostile_name_runs_nothing_and_is_reported_by_mac(
    ansible: Ansible, config: ClusterConfig, tmp_path: Path, name: str
) -> None:
    marker = tmp_path / "marker"
    config.leases.write_text(f"4000000000 52:54:00:00:00:05 10.17.64.5 {name.replace('MARKER', str(marker))} *\n")
    play = tmp_path / "play.yml"
    play.write_text(PLAY)
    done = ansible("ansible-playbook", str(play))
    assert done.returncode == 0, done.stderr
    assert "mac-525400000005" in done.stdout
    assert "Lease of 52:54:00:00:00:05" in " ".join(done.stderr.split())
    assert not marker.exists()


def test_node_info_tells_the_same_and_changes_nothing(cluster: ClusterConfig, tmp_path: Path) -> None:
    def run(*arguments: str) -> dict[str, Any]:
        argv = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-o", "-m", "perceus.cluster.node_info"]
        done = subprocess.run(
            [*argv, "-a", f"config={tmp_path / 'cluster.json'}", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        result: dict[str, Any] = json.loads(done.stdout.partition("=>")[2])
        return result

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    told = [run("--check"), run(), run("--check"), run()]
    assert told == [told[0]] * 4
    assert told[0]["changed"] is False
    assert told[0]["counts"] == {"nodes": 2, "live": 2, "disabled": 1, "unknown": 2}
    n101, n102 = told[0]["nodes"]
    assert (n101["name"], n101["state"], n101["vnfs"], n101["vnfs_origin"]) == ("n101", "ready", "debian", "default")
    assert (n102["state"], n102["vnfs"], n102["vnfs_origin"]) == (None, "rocky-9", "group")
    assert [machine["name"] for machine in told[0]["unknown"]] == ["mac-525400000003", "mac-525400000004"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert cluster.registry.read_text() == REGISTRY


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("limit", ["n101", "n*!n102", "@compute"])
def test_a_limit_to_a_node_shows_it_as_without_a_limit(ansible: Ansible, source: Path, limit: str) -> None:
    groups, variables = list_inventory(ansible)
    source.write_text(source.read_text() + f"limit_nodes: ['{limit}']\n")
    limited_groups, limited_variables = list_inventory(ansible)
    assert limited_variables == {"n101": variables["n101"]}
    assert {group for group, hosts in limited_groups.items() if hosts == ["n101"]} == {
        group for group, hosts in groups.items() if "n101" in hosts
    }


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("limit", ["n101", "n102"])
def test_a_limit_to_a_node_hides_no_fault_of_its_own(
    ansible: Ansible, source: Path, cluster: ClusterConfig, limit: str
) -> None:
    source.write_text(source.read_text() + f"limit_nodes: [{limit}]\n")
    cluster.registry.write_text(REGISTRY.replace('"enabled": true', '"enabled": 7'))
    done = ansible("ansible-inventory", "--list")
    assert (done.returncode != 0) == (limit == "n101")
    assert ("line 4: 'enabled' of a node cannot be 7" in " ".join(done.stderr.split())) == (limit == "n101")


@pytest.mark.usefixtures("store")
def test_a_limit_to_groups_comes_before_a_sites_own_groups(ansible: Ansible, source: Path) -> None:
    source.write_text(source.read_text() + "limit_groups: [state_*]\ngroups: {everything: 'true'}\n")
    groups, variables = list_inventory(ansible)
    assert list(variables) == groups["everything"] == ["n101"]


@pytest.fixture
def cache(source: Path) -> Path:
    """The folder in which the inventory's cache is."""
    cache = source.parent / "cache"
    source.write_text(
        f"{source.read_text()}cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_connection: {cache}\n"
    )
    return cache


def test_a_cache_answers_until_it_is_flushed(ansible: Ansible, cache: Path, cluster: ClusterConfig) -> None:
    before = list_inventory(ansible)
    assert len(list(cache.iterdir())) == 1
    cluster.leases.write_text("")
    cluster.registry.write_text("nonsense")
    assert list_inventory(ansible) == before
    assert ansible("ansible-inventory", "--list", "--flush-cache").returncode != 0


@pytest.mark.usefixtures("cluster")
def test_what_another_version_cached_is_read_anew(ansible: Ansible, cache: Path) -> None:
    before = list_inventory(ansible)
    [document] = cache.iterdir()
    text = document.read_text()
    document.write_text(re.sub(r"(version\W+)1\b", r"\g<1>99", text))
    assert (list_inventory(ansible), document.read_text()) == (before, text)


def test_what_was_recalled_is_not_cached(ansible: Ansible, source: Path, cache: Path, cluster: ClusterConfig) -> None:
    source.write_text(source.read_text() + f"last_good: {source.parent / 'last.json'}\n")
    before = list_inventory(ansible)
    [document] = cache.iterdir()
    document.unlink()
    cluster.registry.write_text("nonsense")
    assert (list_inventory(ansible), document.exists()) == (before, False)


@pytest.mark.usefixtures("cluster")
def test_conditions_and_variables_of_nodes_are_shown(ansible: Ansible, cluster: ClusterConfig) -> None:
    drifted = REPORTS.splitlines()[0].replace('"ready"', '"drifted"').replace('"detail": ""', '"detail": "2%20files"')
    cluster.reports.write_text(REPORTS.splitlines()[0] + "\n" + drifted + "\n")
    variable = '"variables": {"rack": "{{ lookup(\'pipe\', \'id\') }}", "shelf": 3}, "group": "compute"'
    cluster.registry.write_text(
        REGISTRY.replace('"version": 1', '"version": 2').replace('"group": "compute"', variable)
    )
    groups, variables = list_inventory(ansible)
    assert (groups["drifted"], groups["state_ready"], groups.get("needs_reboot", [])) == (["n101"], ["n101"], [])
    assert variables["n101"]["perceus_drifted"] == "2 files"
    assert (variables["n101"]["rack"], variables["n101"]["shelf"]) == ("{{ lookup('pipe', 'id') }}", 3)
