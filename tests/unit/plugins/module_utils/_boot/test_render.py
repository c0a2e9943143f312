# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from ansible_collections.perceus.cluster.plugins.module_utils._boot.image_servers import ImageServer
from ansible_collections.perceus.cluster.plugins.module_utils._boot.images import Image
from ansible_collections.perceus.cluster.plugins.module_utils._boot.overrides import Overrides
from ansible_collections.perceus.cluster.plugins.module_utils._boot.render import BootFiles, render_boot_files
from ansible_collections.perceus.cluster.plugins.module_utils._config import ClusterConfig
from ansible_collections.perceus.cluster.plugins.module_utils._errors import PerceusError
from ansible_collections.perceus.cluster.plugins.module_utils._nodes.registry import Group, Node, Registry

GENERATION, SHA256 = "0123456789abcdef", "ab" * 32
NODE = Node(
    name="n101",
    macs=("52:54:00:00:00:01", "52:54:00:00:00:02"),
    address=IPv4Address("10.17.5.101"),
    group="compute",
    enabled=True,
    machine_id="0" * 32,
    adopted="2030-01-01T00:00:00Z",
    kernel_args="from=node",
)
IMAGE = Image("debian", GENERATION, "from=vnfs", SHA256, 1234)

KERNEL_ARGS = (
    "perceus.node=n101 perceus.vnfs=debian perceus.generation=0123456789abcdef"
    " perceus.image=http://10.17.5.1/vnfs/debian/0123456789abcdef/rootfs.squashfs"
    f" perceus.sha256={SHA256} perceus.size=1234 perceus.report=http://10.17.5.1/report"
    " BOOTIF=01-52-54-00-00-00-02 ip=10.17.5.101::10.17.5.1:255.255.255.0:n101::none"
    f" systemd.hostname=n101 systemd.machine_id={'0' * 32} console=ttyS0,115200"
    " from=vnfs from=cluster from=node"
)


Render = Callable[..., BootFiles]


@pytest.fixture
def render(config: ClusterConfig) -> Render:
    def render(node: Node = NODE, image: Image | PerceusError | None = IMAGE) -> BootFiles:
        return render_boot_files(Registry({}, (node,)), config, {"debian": image}, {})

    return render


def test_a_cluster_without_nodes_has_the_two_scripts_for_everybody(config: ClusterConfig) -> None:
    files = render_boot_files(Registry({}, ()), config, {}, {})
    assert sorted(files.boot) == ["default.ipxe", "start.ipxe"]
    assert files.dnsmasq == {"dhcp-hosts": "", "dns-hosts": ""}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (Overrides(groups={"compute": {"kernel_args": "from=group"}}), "from=group"),
        (Overrides({"compute": {"kernel_args": "from=group"}}, {"n101": {"kernel_args": ""}}), ""),
        (Overrides(groups={"gpu": {"kernel_args": "from=group"}}), "from=vnfs"),
    ],
)
def test_overrides_take_the_place_of_the_images_kernel_arguments(
    render: Render, overrides: Overrides, expected: str
) -> None:
    script = render(image=replace(IMAGE, overrides=overrides)).boot["52-54-00-00-00-02.ipxe"]
    assert " ".join(f"{KERNEL_ARGS.replace('from=vnfs', expected)} || goto failed".split()) in script


def test_a_node_that_unpacks_its_image_knows_how_much_memory_that_takes(render: Render) -> None:
    script = render(image=replace(IMAGE, root_mode="ram", unpacked=5000)).boot["52-54-00-00-00-02.ipxe"]
    assert " perceus.size=1234 perceus.root=ram perceus.unpacked=5000 perceus.report=" in script


def test_a_node_mounts_its_image_from_each_server_and_has_a_name_of_its_own_there(config: ClusterConfig) -> None:
    over_nfs = replace(IMAGE, root_mode="nfs")

    def arguments(node: Node, config: ClusterConfig) -> str:
        files = render_boot_files(Registry({}, (node,)), config, {"debian": over_nfs}, {})
        return files.boot["52-54-00-00-00-01.ipxe"]

    unique = f"nfs.nfs4_unique_id={'0' * 32}"
    assert f" perceus.root=nfs perceus.nfs=10.17.5.1:{config.nfs} {unique} " in arguments(NODE, config)
    servers = ("10.17.5.2:/export", "10.17.5.3:/export")
    several = replace(config, nfs_servers=servers)
    first, second = (f" perceus.nfs={servers[one]} perceus.nfs={servers[1 - one]} " for one in (0, 1))
    named = [arguments(replace(NODE, name=f"n{number}"), several) for number in range(101, 121)]
    assert {first in text for text in named} == {True, False}
    assert all((first in text) != (second in text) for text in named)


def test_a_node_mounts_what_has_left_its_image(config: ClusterConfig, render: Render) -> None:
    script = render(image=replace(IMAGE, hybrid=77)).boot["52-54-00-00-00-02.ipxe"]
    assert f" perceus.hybrid=77 perceus.nfs=10.17.5.1:{config.nfs} " in script
    assert "perceus.root" not in script


def test_a_node_fetches_the_archive_of_its_overlays_whatever_loads_its_kernel(config: ClusterConfig) -> None:
    archives: dict[str, str | PerceusError] = {"n101": "cd" * 32}
    files = render_boot_files(Registry({}, (NODE,)), config, {"debian": IMAGE}, archives)
    url = f"http://10.17.5.1/overlays/{'cd' * 32}.tar.zst"
    for script in (files.boot["52-54-00-00-00-02.ipxe"], files.grub["52:54:00:00:00:02.cfg"]):
        assert f" perceus.overlay={url} perceus.overlay_sha256={'cd' * 32} " in script.replace("'", "")


def test_a_node_is_told_of_every_image_server_in_its_order_whatever_loads_its_kernel(config: ClusterConfig) -> None:
    servers = (ImageServer("http://10.17.5.3:8080/p", order=2), ImageServer("http://10.17.5.2", order=1))
    config = replace(config, image_servers=servers)
    files = render_boot_files(Registry({}, (NODE,)), config, {"debian": IMAGE}, {"n101": "cd" * 32})
    urls = ("http://10.17.5.2", "http://10.17.5.3:8080/p", "http://10.17.5.1")
    images = " ".join(f"perceus.image={url}/vnfs/debian/{GENERATION}/rootfs.squashfs" for url in urls)
    archives = " ".join(f"perceus.overlay={url}/overlays/{'cd' * 32}.tar.zst" for url in urls)
    for script in (files.boot["52-54-00-00-00-02.ipxe"], files.grub["52:54:00:00:00:02.cfg"]):
        assert f" {images} perceus.sha256={SHA256} " in script.replace("'", "")
        assert f" {archives} perceus.overlay_sha256=" in script.replace("'", "")
    assert f"kernel http://10.17.5.1/vnfs/debian/{GENERATION}/vmlinuz " in files.boot["52-54-00-00-00-02.ipxe"]


def test_a_node_whose_archive_cannot_be_made_waits_and_says_why(config: ClusterConfig) -> None:
    broken: dict[str, str | PerceusError] = {"n101": PerceusError("Cannot render")}
    files = render_boot_files(Registry({}, (NODE,)), config, {"debian": IMAGE}, broken)
    for script in (files.boot["52-54-00-00-00-02.ipxe"], files.grub["52:54:00:00:00:02.cfg"]):
        assert "n101 does not boot: its overlays cannot be used, see the journal of the master" in script
        assert "vmlinuz" not in script


def test_a_node_whose_arguments_the_kernel_would_cut_off_waits_and_is_named(config: ClusterConfig) -> None:
    other = replace(NODE, name="n102", macs=("52:54:00:00:00:03",), address=NODE.address + 1)
    registry = Registry({"compute": Group("compute", kernel_args="x" * 400)}, (NODE, other))
    long = replace(config, kernel_args="y " * 200)
    images = {"debian": replace(IMAGE, kernel_args="z" * 400)}
    assert render_boot_files(registry, long, images, {}).problems == {}
    registry = registry.of_nodes([replace(NODE, kernel_args="w" * 400), other])
    files = render_boot_files(registry, long, images, {"n101": "ab" * 32})
    for script in (files.boot["52-54-00-00-00-01.ipxe"], files.grub["52:54:00:00:00:01.cfg"]):
        assert "n101 does not boot: its boot script cannot be made" in script
    assert "vmlinuz" in files.boot["52-54-00-00-00-03.ipxe"]
    assert [*files.problems] == ["n101"]
    assert re.search("its kernel arguments have 2[0-9]+ characters, of at most 1900", str(files.problems["n101"]))


def test_every_mac_has_its_script(render: Render) -> None:
    assert sorted(render().boot) == [
        "52-54-00-00-00-01.ipxe",
        "52-54-00-00-00-02.ipxe",
        "default.ipxe",
        "start.ipxe",
    ]


def test_a_node_boots_its_image_with_the_arguments_of_the_contract(render: Render) -> None:
    lines = render().boot["52-54-00-00-00-02.ipxe"].splitlines()
    base = "http://10.17.5.1/vnfs/debian/0123456789abcdef"
    assert lines[0] == "#!ipxe"
    assert f"kernel {base}/vmlinuz initrd=initramfs.img {KERNEL_ARGS} || goto failed" in lines
    assert f"initrd {base}/initramfs.img || goto failed" in lines


@pytest.mark.parametrize(
    ("node", "image", "why"),
    [
        (replace(NODE, enabled=False), IMAGE, "n101 does not boot: it is disabled"),
        (NODE, None, "n101 does not boot: VNFS debian has no published image"),
        (NODE, PerceusError("Cannot: ${evil} && exit"), "n101 does not boot: the image of VNFS debian is broken"),
    ],
)
def test_a_node_that_cannot_boot_says_why_and_asks_again(
    render: Render, node: Node, image: Image | PerceusError | None, why: str
) -> None:
    script = render(node, image).boot["52-54-00-00-00-01.ipxe"]
    assert why in script
    assert "kernel" not in script
    assert "evil" not in script
    assert "chain --replace --autofree http://10.17.5.1/boot/52-54-00-00-00-01.ipxe || goto again" in script


def test_a_nodes_group_has_its_say_in_the_kernel_arguments(config: ClusterConfig) -> None:
    registry = Registry({"compute": Group("compute", console="ttyS1", kernel_args="from=group")}, (NODE,))
    script = render_boot_files(registry, config, {"debian": IMAGE}, {}).boot["52-54-00-00-00-02.ipxe"]
    assert " console=ttyS1 from=vnfs from=cluster from=group from=node || goto failed\n" in script


@pytest.mark.parametrize(
    ("boot", "command"),
    [
        ("local", "iseq ${platform} efi || sanboot --no-describe --drive 0x80 ||"),
        ("shell", "shell ||"),
    ],
)
def test_a_node_may_boot_something_other_than_its_image(render: Render, boot: str, command: str) -> None:
    script = render(replace(NODE, boot=boot), None).boot["52-54-00-00-00-01.ipxe"]
    assert command in script.splitlines()
    assert "kernel" not in script
    assert script.endswith("chain --replace --autofree http://10.17.5.1/boot/52-54-00-00-00-01.ipxe || goto again\n")


ON_DISK = replace(IMAGE, root_mode="disk", unpacked=4096, disk={"disks": ["serial=A"], "swap": 512})


def test_a_node_that_is_to_be_installed_boots_with_its_disk_and_its_token(render: Render) -> None:
    image = replace(ON_DISK, overrides=Overrides(nodes={"n101": {"disk": {"filesystem": "xfs"}}}))
    script = render(replace(NODE, installed=GENERATION, reinstall="5" * 32), image).boot["52-54-00-00-00-01.ipxe"]
    assert " perceus.root=disk perceus.unpacked=4096 perceus.disk=serial=A perceus.layout=xfs:512:: " in script
    assert f" perceus.reinstall={'5' * 32} " in script
    assert "sanboot" not in script


def test_an_installed_node_boots_from_its_disk_and_looks_at_it_if_that_fails(render: Render) -> None:
    files = render(replace(NODE, installed=GENERATION), ON_DISK)
    script = files.boot["52-54-00-00-00-01.ipxe"]
    assert "iseq ${platform} efi && chain --autofree http://10.17.5.1/loaders/local.efi ||\n" in script
    assert script.index("sanboot --no-describe --drive 0x80 ||\n") < script.index("perceus.root=disk")
    of_grub = files.grub["52:54:00:00:00:01.cfg"]
    assert of_grub.index("chainloader ($disk)/EFI/BOOT/BOOTX64.EFI") < of_grub.index("'perceus.root=disk'")
    assert "perceus.reinstall" not in script


def test_a_node_of_another_root_mode_boots_no_installation(render: Render) -> None:
    assert "sanboot" not in render(replace(NODE, installed=GENERATION)).boot["52-54-00-00-00-01.ipxe"]
    script = render(replace(NODE, installed=GENERATION, boot="disk")).boot["52-54-00-00-00-01.ipxe"]
    assert "n101 does not boot: VNFS debian is none that is installed on disks" in script


@pytest.mark.parametrize(("console", "argument"), [("ttyS0,115200", " console=ttyS0,115200"), ("tty0", "")])
def test_a_node_tests_its_memory_by_the_program_for_its_firmware(render: Render, console: str, argument: str) -> None:
    script = render(replace(NODE, boot="memtest", console=console), None).boot["52-54-00-00-00-01.ipxe"].splitlines()
    assert "iseq ${platform} efi && set memtest memtest.efi || set memtest memtest.bin" in script
    assert f"kernel http://10.17.5.1/loaders/${{memtest}}{argument} || goto missing" in script


def test_uefi_firmware_goes_on_to_the_disk_as_after_a_failure(render: Render) -> None:
    script = render(replace(NODE, boot="local"), None).boot["52-54-00-00-00-01.ipxe"].splitlines()
    assert "iseq ${platform} efi && exit 1 ||" in script


def test_every_script_ends_in_a_loop_that_asks_the_master_again(render: Render) -> None:
    for script in render().boot.values():
        lines = script.splitlines()
        assert ":again" in lines
        assert lines[-1].startswith("chain --replace --autofree ") and lines[-1].endswith(" || goto again")


def test_machines_start_with_their_own_script_and_unknown_ones_ask_every_second(render: Render) -> None:
    files = render()
    own = "chain --replace --autofree http://10.17.5.1/boot/${netX/mac:hexhyp}.ipxe"
    assert files.boot["start.ipxe"].splitlines()[1].startswith(f"{own}?mac=${{netX/mac}}&uuid=${{uuid}}&serial=")
    assert f"sleep 1\n{own} ||\n" in files.boot["default.ipxe"]


def test_the_console_of_an_unknown_machine_says_what_it_waits_for(config: ClusterConfig) -> None:
    said = {
        policy: render_boot_files(Registry({}, ()), replace(config, adoption=policy), {}, {}).boot["default.ipxe"]
        for policy in ("adopt", "quarantine", "off")
    }
    assert "${netX/mac} is not a node yet, waiting for the master to adopt it" in said["adopt"]
    assert "is not a node and waits for approval: ansible-playbook perceus.cluster.nodes_add" in said["quarantine"]
    assert "the master adopts none" in said["off"]


def test_dnsmasq_gets_a_reservation_and_a_name(render: Render) -> None:
    files = render()
    assert files.dnsmasq == {
        "dhcp-hosts": "52:54:00:00:00:01,52:54:00:00:00:02,10.17.5.101,n101,43200\n",
        "dns-hosts": "10.17.5.101 n101.cluster.internal n101\n",
    }


def test_a_disabled_node_keeps_its_address_and_name(render: Render) -> None:
    files = render(replace(NODE, enabled=False))
    assert "10.17.5.101,n101" in files.dnsmasq["dhcp-hosts"]
    assert "n101.cluster.internal" in files.dnsmasq["dns-hosts"]


def test_masked_machines_are_ignored_and_a_proxy_lends_no_addresses(config: ClusterConfig) -> None:
    masking = replace(config, masked_macs=frozenset({"52:54:00:00:00:ff"}))
    registry = Registry({}, (NODE,), {"52:54:00:00:00:fe": "belongs to the storage"})
    lines = render_boot_files(registry, masking, {"debian": IMAGE}, {}).dnsmasq["dhcp-hosts"].splitlines()
    assert lines[:2] == ["52:54:00:00:00:fe,ignore", "52:54:00:00:00:ff,ignore"]
    assert len(lines) == 3
    proxy = render_boot_files(registry, replace(masking, dhcp_mode="proxy"), {"debian": IMAGE}, {}).dnsmasq
    assert proxy["dhcp-hosts"].splitlines() == lines[:2]
    assert "n101.cluster.internal" in proxy["dns-hosts"]
