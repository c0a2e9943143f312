# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reconciler does about trouble; tests/integration shows it beside a real dnsmasq."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from itertools import chain, repeat
from pathlib import Path

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._files import locked
from ansible_collections.perceus.cluster.plugins.module_utils._master import reconcile
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.record import load_record
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry_file import load_registry, save_registry

FAR = 4000000000


@pytest.fixture
def cluster(config: ClusterConfig, tmp_path: Path) -> ClusterConfig:
    """The cluster in a folder of its own."""
    state = tmp_path / "state"
    state.mkdir()
    return replace(config, state_dir=state, leases=tmp_path / "leases", reports=tmp_path / "reports.log")


def lend(cluster: ClusterConfig, *numbers: int) -> None:
    cluster.leases.write_text("".join(f"{FAR} 52:54:00:00:00:{n:02x} 10.17.5.{n} * *\n" for n in numbers))


def run(cluster: ClusterConfig, on_line: Callable[[str], None] = lambda _line: None) -> tuple[int, list[str]]:
    """Return exit status and journal; ``on_line`` sees each line as it is written."""
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        on_line(line)

    return reconcile.run(lambda: cluster, reload=lambda: None, say=say), said


def tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_master_on_its_first_day_has_scripts_and_no_nodes(cluster: ClusterConfig) -> None:
    assert run(cluster) == (
        0,
        ["added dnsmasq/dhcp-hosts", "added dnsmasq/dns-hosts", "added boot/start.ipxe", "added boot/default.ipxe"],
    )
    assert not cluster.registry.exists()


def test_a_second_run_is_silent(cluster: ClusterConfig) -> None:
    lend(cluster, 20, 21)
    run(cluster)
    before = tree(cluster.state_dir)
    assert run(cluster) == (0, [])
    assert tree(cluster.state_dir) == before


def test_a_machine_that_comes_during_the_run_is_adopted_by_it(cluster: ClusterConfig) -> None:
    def another(line: str) -> None:
        if line == "added boot/52-54-00-00-00-14.ipxe":
            lend(cluster, 20, 21)

    lend(cluster, 20)
    assert run(cluster, another)[0] == 0
    assert list(load_registry(cluster.registry).by_name) == ["n101", "n102"]


def test_a_configuration_that_changes_during_the_run_counts_from_the_next_round(cluster: ClusterConfig) -> None:
    said: list[str] = []

    def load() -> ClusterConfig:
        return replace(cluster, adoption="quarantine") if said else cluster

    def say(line: str) -> None:
        if not said:
            lend(cluster, 20, 21)
        said.append(line)

    lend(cluster, 20)
    assert reconcile.run(load, reload=lambda: None, say=say) == 0
    assert list(load_registry(cluster.registry).by_name) == ["n101"]
    assert "52:54:00:00:00:15 with 10.17.5.21 is quarantine" in said


def test_the_last_word_on_the_configuration_counts_though_nothing_else_changes(cluster: ClusterConfig) -> None:
    said: list[str] = []
    lend(cluster, 20)
    careful = replace(cluster, adoption="quarantine")
    load = chain([careful], repeat(cluster)).__next__
    assert reconcile.run(load, reload=lambda: None, say=said.append) == 0
    assert "adopted 52:54:00:00:00:14 as n101 10.17.5.101" in said


def test_a_problem_is_said_in_the_round_that_finds_it_and_once(cluster: ClusterConfig) -> None:
    (cluster.store / "debian").mkdir(parents=True)
    (cluster.store / "debian" / "current").symlink_to("/etc")

    def another(line: str) -> None:
        if line.startswith("Cannot boot"):
            lend(cluster, 20, 21)

    lend(cluster, 20)
    status, said = run(cluster, another)
    assert status == 1
    assert [line.startswith("Cannot boot") for line in said].count(True) == 1
    assert list(load_registry(cluster.registry).by_name) == ["n101", "n102"]


def test_an_overlay_that_cannot_be_used_is_named_once_and_an_archive_goes_when_it_is_old(
    cluster: ClusterConfig,
) -> None:
    motd = cluster.overlays / "site/files/etc/motd"
    motd.parent.mkdir(parents=True)
    motd.write_text("hello")
    lend(cluster, 20, 21)
    run(cluster)
    registry = load_registry(cluster.registry)
    save_registry(cluster.registry, replace(registry, overlays={"*": ("site",)}))
    assert run(cluster)[0] == 0
    (archive,) = cluster.overlay_archives.glob("[!.]*")
    os.utime(archive, (0, 0))
    save_registry(cluster.registry, replace(registry, overlays={"*": ("gone",)}))
    assert run(cluster) == (
        1,
        [
            f"removed overlay-archives/{archive.name.partition('.')[0]}",
            "Cannot find overlay 'gone' (n101, n102). See overlays_list for those that there are",
        ],
    )


def test_a_broken_image_is_a_failure_and_stops_nothing_else(cluster: ClusterConfig) -> None:
    (cluster.store / "debian").mkdir(parents=True)
    (cluster.store / "debian" / "current").symlink_to("/etc")
    lend(cluster, 20)
    status, said = run(cluster)
    assert (status, said[-1]) == (1, "Cannot boot VNFS 'debian': 'current' points to '/etc'. Publish it again")
    assert "is broken" in (cluster.state_dir / "boot" / "52-54-00-00-00-14.ipxe").read_text()
    assert "n101" in (cluster.state_dir / "dnsmasq" / "dhcp-hosts").read_text()


def test_a_full_node_range_is_a_failure_and_stops_nothing_else(cluster: ClusterConfig) -> None:
    lend(cluster, 20, 21, 22, 23, 24, 25)
    status, said = run(cluster)
    assert status == 1
    assert said[-1].startswith("Cannot adopt all machines: node_range 10.17.5.101-10.17.5.104 has no free address")
    assert len(load_registry(cluster.registry).nodes) == 4


def test_a_corrupt_registry_changes_nothing(cluster: ClusterConfig) -> None:
    lend(cluster, 20)
    run(cluster)
    cluster.registry.write_text(cluster.registry.read_text()[:-20])
    lend(cluster, 20, 21)
    before = tree(cluster.state_dir)
    with pytest.raises(PerceusError, match=r"nodes\.json"):
        run(cluster)
    assert tree(cluster.state_dir) == before


def test_a_lost_file_comes_back_and_a_changed_one_is_mended(cluster: ClusterConfig) -> None:
    lend(cluster, 20)
    run(cluster)
    before = tree(cluster.state_dir)
    (cluster.state_dir / "dnsmasq" / "dns-hosts").unlink()
    (cluster.state_dir / "boot" / "start.ipxe").write_text("")
    assert run(cluster) == (0, ["added dnsmasq/dns-hosts", "changed boot/start.ipxe"])
    assert tree(cluster.state_dir) == before


def test_two_runs_take_turns(cluster: ClusterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "locked", lambda lock, *, what: locked(lock, what=what, timeout=0.0))
    with locked(cluster.lock, what="the registry"), pytest.raises(PerceusError, match=r"process .* since .* holds it"):
        run(cluster)


def publish(image: Path, *, root_mode: str = "overlay") -> None:
    image.mkdir(parents=True)
    header = {"format": "perceus-image", "version": 1, "vnfs": "debian", "generation": image.name, "kernel_args": ""}
    header |= {"root_mode": root_mode, "tree_size": 1, "tree_files": 1}
    files = {name: {"sha256": "ab" * 32, "size": 1} for name in ("vmlinuz", "initramfs.img", "rootfs.squashfs")}
    (image / "image.json").write_text(json.dumps({**header, "files": files}))
    for name in files:
        (image / name).write_text(name)


def test_a_new_image_reaches_the_boot_scripts_also_of_grub_where_that_is_offered(cluster: ClusterConfig) -> None:
    lend(cluster, 20)
    run(cluster)
    generation = "0123456789abcdef"
    image = cluster.store / "debian" / "images" / generation
    publish(image)
    (cluster.store / "debian" / "current").symlink_to(f"images/{generation}")
    assert run(cluster) == (0, ["changed boot/52-54-00-00-00-14.ipxe"])
    assert generation in (cluster.state_dir / "boot" / "52-54-00-00-00-14.ipxe").read_text()
    assert sorted(folder.name for folder in cluster.tftp.rglob("*")) == ["grub", "kernels"]

    (cluster.tftp / "grubx64.efi").touch()
    assert run(cluster) == (0, ["added grub/grub.cfg", "added grub/52:54:00:00:00:14.cfg"])
    assert generation in (cluster.tftp / "grub" / "52:54:00:00:00:14.cfg").read_text()
    assert (cluster.tftp / "kernels" / f"debian-{generation}-vmlinuz").samefile(image / "vmlinuz")

    (cluster.tftp / "grubx64.efi").unlink()
    assert run(cluster) == (0, ["removed grub/52:54:00:00:00:14.cfg", "removed grub/grub.cfg"])
    assert os.listdir(cluster.tftp / "kernels") == []


def test_images_that_nodes_mount_are_exported_as_long_as_they_are_there(cluster: ClusterConfig) -> None:
    lend(cluster, 20)
    images = cluster.store / "debian" / "images"
    for generation, root_mode in (("0" * 16, "nfs"), ("1" * 16, "nfs"), ("2" * 16, "overlay")):
        publish(images / generation, root_mode=root_mode)
    run(cluster)
    assert not cluster.nfs.exists()  # the master serves no NFS
    cluster.nfs.mkdir()
    run(cluster)
    assert sorted(os.listdir(cluster.nfs)) == [f"debian-{digit * 16}-rootfs.squashfs" for digit in "01"]
    assert (cluster.nfs / f"debian-{'0' * 16}-rootfs.squashfs").samefile(images / ("0" * 16) / "rootfs.squashfs")
    (images / ("0" * 16) / "image.json").unlink()
    run(cluster)
    assert os.listdir(cluster.nfs) == [f"debian-{'1' * 16}-rootfs.squashfs"]


def test_a_machine_in_quarantine_is_recorded_and_no_node(cluster: ClusterConfig) -> None:
    lend(cluster, 20)
    careful = replace(cluster, adoption="quarantine")
    assert "52:54:00:00:00:14 with 10.17.5.20 is quarantine" in run(careful)[1]
    assert not cluster.registry.exists()
    assert [machine.status for machine in load_record(cluster.machines).machines] == ["quarantine"]
    assert run(careful) == (0, [])


def test_a_record_that_is_corrupt_is_said_and_written_anew(cluster: ClusterConfig) -> None:
    lend(cluster, 20)
    cluster.machines.write_text("{")
    status, said = run(replace(cluster, adoption="quarantine"))
    assert status == 1 and "machines.json" in said[-1]
    assert run(replace(cluster, adoption="quarantine")) == (0, [])
    assert len(load_record(cluster.machines).machines) == 1


def test_alarms_are_said_once_when_they_begin_and_when_they_end(cluster: ClusterConfig) -> None:
    lend(cluster, 20)
    run(cluster)
    cluster.leases.write_text(f"{FAR} 52:54:00:00:00:ff 10.17.5.30 n101 *\n")
    assert [line.partition(":")[0] for line in run(cluster)[1] if line.startswith("alarm")] == ["alarm new_mac"]
    assert run(cluster) == (0, [])
    cluster.leases.write_text("")
    assert [line.partition(":")[0] for line in run(cluster)[1] if line.startswith("alarm")] == ["alarm new_mac is over"]


def test_a_full_node_range_is_one_alarm_whoever_comes_and_goes(cluster: ClusterConfig) -> None:
    lend(cluster, *range(20, 25))
    run(cluster)
    text = cluster.machines.read_text()
    [alarm] = load_record(cluster.machines).alarms
    cluster.machines.write_text(text.replace(alarm.first_seen, "2020-01-01T00:00:00Z"))
    lend(cluster, *range(20, 27))
    assert [line for line in run(cluster)[1] if line.startswith("alarm")] == []
    [alarm] = load_record(cluster.machines).alarms
    assert (alarm.first_seen, len(alarm.macs)) == ("2020-01-01T00:00:00Z", 3)


def test_what_an_editor_keeps_beside_the_registry_stays(cluster: ClusterConfig) -> None:
    swap = cluster.registry.with_name(".nodes.json.swp")
    swap.write_text("what somebody is writing")
    cluster.registry.with_name(".nodes.json.perceus-new-x").touch()
    run(cluster)
    assert [path.name for path in cluster.state_dir.glob(".nodes.json.*")] == [swap.name]


def test_a_user_of_a_running_node_holds_no_other_machine_out(cluster: ClusterConfig) -> None:
    lend(cluster, 20)
    run(cluster)
    board = {
        "manufacturer": "Acme",
        "product": "Twin",
        "serial": "SN-1",
        "uuid": "4c4c4544-0042-3510-8052-b4c04f564231",
    }
    node, other = "52:54:00:00:00:14", "52:54:00:00:00:15"
    said = [(node, "10.17.5.101"), (other, "10.17.5.21")]
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    lines = (json.dumps({"time": now, "address": address, "mac": mac, **board}) for mac, address in said)
    cluster.boots.write_text("".join(f"{line}\n" for line in lines))
    report = {"time": now, "address": "10.17.5.101", "stage": "ready", "mac": node}
    cluster.reports.write_text(json.dumps(report) + "\n")
    cluster.leases.write_text(f"{FAR} {node} 10.17.5.101 * *\n{FAR} {other} 10.17.5.21 * *\n")
    run(cluster)
    assert list(load_registry(cluster.registry).by_name) == ["n101", "n102"]
    assert load_record(cluster.machines).alarms == ()
