#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# dracut module of a perceus node's first stage: fetch the image over HTTP, verify it, make it the root.
# Asked for by name (dracut --modules "base perceus"), so that the initramfs holds nothing else.
# shellcheck disable=SC2154 # dracut sets moddir, systemdutildir and dracutsysrootdir

check() {
    return 255
}

# dash runs the many small scripts of an initramfs in less time and memory than bash, which is there otherwise.
depends() {
    echo base
    [ ! -x "${dracutsysrootdir-}/bin/dash" ] || echo dash
}

installkernel() {
    hostonly='' instmods loop squashfs overlay '=drivers/net/ethernet' '=drivers/net/phy' virtio_net virtio_pci virtio_rng
}

install() {
    inst_multiple cat chroot curl ip losetup rm sha256sum shuf
    # The names that the real root will use: an interface that is up cannot be renamed by older kernels.
    inst_simple "$systemdutildir/network/99-default.link"
    inst_script "$moddir/perceus-root.sh" /usr/sbin/perceus-root
    inst_script "$moddir/fetch.sh" /usr/lib/perceus-fetch.sh
    inst_script "$moddir/signature.sh" /usr/lib/perceus-signature.sh
    inst_script "$moddir/overlay.sh" /usr/lib/perceus-overlay.sh
    inst_hook cmdline 20 "$moddir/claim-root.sh"
    inst_hook mount 50 "$moddir/mount-root.sh"
    inst_hook cleanup 90 "$moddir/leave-nothing.sh"
}
