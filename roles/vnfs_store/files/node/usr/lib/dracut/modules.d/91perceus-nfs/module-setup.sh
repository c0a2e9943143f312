#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# dracut module of the root mode nfs, and of what else of an image is mounted over NFS.
# shellcheck disable=SC2154 # dracut sets moddir

check() {
    return 255
}

depends() {
    echo perceus
}

installkernel() {
    hostonly='' instmods nfs nfsv4
}

install() {
    inst_multiple stat timeout
    inst_script "$moddir/nfs.sh" /usr/lib/perceus-nfs.sh
}
