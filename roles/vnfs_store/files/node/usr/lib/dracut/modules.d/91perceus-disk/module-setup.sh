#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# dracut module of the root mode disk: it installs a node on its disk, and boots that from there.
# shellcheck disable=SC2154 # dracut sets moddir and udevdir

check() {
    return 255
}

depends() {
    echo perceus
}

installkernel() {
    hostonly='' instmods '=drivers/ata' '=drivers/nvme' '=drivers/scsi' virtio_blk xen-blkfront raid1 \
        ext4 vfat xfs nls_ascii nls_cp437 nls_iso8859-1 nls_utf8
}

install() {
    inst_multiple blkid cp cut grep lsblk mdadm mkdir mkfs.ext4 mkfs.vfat mkfs.xfs mkswap readlink sort sync systemctl \
        systemd-repart tr wipefs
    inst_multiple -o /etc/mke2fs.conf "$udevdir/ata_id" "$udevdir/scsi_id"
    inst_script "$moddir/disk.sh" /usr/lib/perceus-disk.sh
    inst_script "$moddir/install.sh" /usr/lib/perceus-disk-install.sh
    inst_script "$moddir/local.sh" /usr/lib/perceus-disk-local.sh
}
