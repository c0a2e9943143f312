#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a VNFS takes to build and to publish, beside the programs that a person would type for it.

``make bench`` runs it, as root. Both sides take turns on the same tree, and their medians are compared. Publishing is
timed without Ansible's own start. All happens in a mount namespace that goes with this process, on the disk of
--folder. What is printed is a table.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".cache/collections"
sys.path[:0] = [str(ROOT), str(COLLECTIONS)]

from ansible_collections.perceus.cluster.plugins.module_utils._namespaces import enter_private_mounts  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._process import CommandRunner  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.apt import (  # noqa: E402
    load_distribution,
    load_sources,
    render_sources,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.build.build import (  # noqa: E402
    apply_plan,
    load_tree,
    want_recipe,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.publish.publish import (  # noqa: E402
    apply_publish,
    plan_publish,
)
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.recipe.recipe import plan_vnfs  # noqa: E402
from ansible_collections.perceus.cluster.plugins.module_utils._vnfs.store import STORE, held, vnfs_in  # noqa: E402

from tests.bench.limits import Table  # noqa: E402

RUN = CommandRunner()
PACKAGES = {"kernel_package": "linux-image-cloud-amd64", "packages": ["sudo", "iputils-ping", "libcap2-bin"]}
MKSQUASHFS = ("-noappend", "-no-progress", "-quiet", "-xattrs", "-comp", "zstd", "-Xcompression-level", "3")
SET_UP = """
set -e
mount -t tmpfs tmpfs /mnt
for folder in /var/lib /usr/local; do
    mkdir -p "/mnt$folder/upper" "/mnt$folder/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=/mnt$folder/upper,workdir=/mnt$folder/work" overlay "$folder"
done
mkdir -p /var/lib/perceus /usr/local/lib/perceus
mount --bind "$2" /var/lib/perceus
mkdir /var/lib/perceus/vnfs
cp -R "$1"/node "$1"/sandbox /usr/local/lib/perceus/
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (default: %(default)s)")
    parser.add_argument("--builds", type=int, default=1, help="turns of each side at building (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache", help="where to work (default: %(default)s)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("Cannot measure: building and publishing need root")
    enter_private_mounts()
    table = Table("what", "ours", "beside", "share")
    with tempfile.TemporaryDirectory(prefix="bench.", dir=options.folder) as folder:
        files = COLLECTIONS / "ansible_collections/perceus/cluster/roles/vnfs_store/files"
        state = Path(folder) / "state"
        state.mkdir()
        RUN(["sh", "-c", SET_UP, "sh", str(files), str(state)])
        try:
            compare_building(table, Path(folder), options.builds)
            compare_publishing(table, Path(folder), options.rounds)
        finally:
            RUN(["umount", "/var/lib/perceus"])  # so that the folder can be removed
    return table.status


def compare_building(table: Table, folder: Path, rounds: int) -> None:
    """Our build against mmdebstrap with the same packages, whose kernel makes the initrd that it always makes."""
    wanted = want_recipe(PACKAGES, current=None)
    distribution = load_distribution()
    sources = render_sources(
        load_sources(distribution.codename, distribution=distribution, runner=RUN),
        components=("main",),
        keyring=distribution.keyring,
    )
    bare_tree = folder / "bare"
    bare = [
        *("mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase"),
        *(f"--include={','.join(wanted.all_packages())}", distribution.codename, str(bare_tree), *sources),
    ]

    def build() -> None:
        vnfs = vnfs_in(STORE, "debian")
        with held(vnfs):
            current = load_tree(vnfs) if vnfs.rootfs.exists() else None
            apply_plan(plan_vnfs("debian", current, wanted, from_scratch=True), vnfs, runner=RUN)

    def bootstrap() -> None:
        RUN(["rm", "-rf", str(bare_tree)])
        RUN(bare)

    theirs, ours = take_turns([bootstrap, build], rounds)
    RUN(["rm", "-rf", str(bare_tree)])
    report(table, "build a tree", ours, [("mmdebstrap", theirs, 1.1)])


def compare_publishing(table: Table, folder: Path, rounds: int) -> None:
    """Publishing against packing the same tree in three ways."""
    vnfs = vnfs_in(STORE, "debian")
    changing = vnfs.rootfs / "srv/changing"
    packed = {name: folder / name for name in ("squashfs", "perceus -1", "perceus -9", "pigz")}

    def publish() -> None:
        with held(vnfs):
            apply_publish(plan_publish(vnfs, load_tree(vnfs)), vnfs, runner=RUN)

    def forget_and_publish() -> None:
        """As if the tree had never been looked at: nothing is known of it, nor its initramfs."""
        RUN(["rm", "-rf", str(vnfs.seen), str(vnfs.folder / "initramfs"), str(vnfs.images), str(vnfs.current)])
        publish()

    def publish_changed() -> None:
        changing.write_text(str(time.time_ns()))
        publish()

    def publish_built() -> None:
        """As after a build: nothing is published yet."""
        RUN(["rm", "-rf", str(vnfs.images), str(vnfs.current)])
        publish()

    def squashfs() -> None:
        RUN(["mksquashfs", str(vnfs.rootfs), str(packed["squashfs"]), *MKSQUASHFS])

    def cpio(tree: Path, compressor: str, target: Path) -> None:
        with target.open("wb") as stream:
            script = f"find . -xdev | cpio --quiet -o -H newc | {compressor}"
            subprocess.run(["sh", "-c", script], cwd=tree, stdout=stream, check=True)

    def perceus_umount(level: int) -> None:
        """As the ``umount`` in a Perceus capsule: gzip 1 where its COMPRESSION is low, the default, 9 where high."""
        copy = folder / "copy"
        RUN(["rsync", "-qxaRSH", ".", str(copy)], cwd=str(vnfs.rootfs))
        cpio(copy, f"gzip -{level}", packed[f"perceus -{level}"])
        RUN(["rm", "-rf", str(copy)])

    publish()
    first, new, changed, bare, pigz = take_turns(
        [
            forget_and_publish,
            publish_built,
            publish_changed,
            squashfs,
            partial(cpio, vnfs.rootfs, "pigz", packed["pigz"]),
        ],
        rounds,
    )
    low, high = take_turns([partial(perceus_umount, 1), partial(perceus_umount, 9)], 1)
    publish()
    (unchanged,) = take_turns([publish], rounds)
    files = len(plan_publish(vnfs, load_tree(vnfs)).manifest.entries)
    sizes = {name: file.stat().st_size / 1e6 for name, file in packed.items()}
    ours = (vnfs.current / "rootfs.squashfs").stat().st_size / 1e6
    report(table, "publish after a build", new, [("mksquashfs zstd -3", bare, 1.15)])
    report(
        table, "publish after a build", new, [("Perceus' umount, high", high, 0.1), ("Perceus' umount, low", low, None)]
    )
    report(table, "publish one changed file", changed, [("mksquashfs zstd -3", bare, 1.15), ("cpio | pigz", pigz, 1.0)])
    report(
        table, "publish, initramfs made too", first, [("mksquashfs zstd -3", bare, None), ("cpio | pigz", pigz, 1.0)]
    )
    report(table, "one changed file", changed, [("publish after a build", new, 1.0)])
    per_10k = statistics.median(unchanged) / files * 10_000
    words = (f"publish an unchanged tree of {files:,} files", f"{per_10k:.2f} s per 10,000 files")
    table.add(*words, "", "", value=per_10k, at_most=1)
    print(f"image {ours:.0f} MB; " + "; ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()))


def take_turns(sides: list[Callable[[], None]], rounds: int) -> list[list[float]]:
    """Seconds of each side, in rounds, so that a busy moment meets all of them."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, taken in zip(sides, times):
            RUN(["sync"])
            start = time.monotonic()
            side()
            taken.append(time.monotonic() - start)
    return times


def report(table: Table, what: str, ours: list[float], others: list[tuple[str, list[float], float | None]]) -> None:
    """Print a line of a table for each other side: seconds, and ours as a share of theirs."""
    mine = statistics.median(ours)
    for name, theirs, limit in others:
        other = statistics.median(theirs)
        share = mine / other
        table.add(what, f"{mine:.2f} s", f"{name} {other:.2f} s", f"{share:.2f}", value=share, at_most=limit)


if __name__ == "__main__":
    sys.exit(main())
