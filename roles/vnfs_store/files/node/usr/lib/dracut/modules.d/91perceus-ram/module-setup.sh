#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# dracut module of the root mode ram.
# shellcheck disable=SC2154 # dracut sets moddir

check() {
    return 255
}

depends() {
    echo perceus
}

install() {
    inst_multiple cp
    inst_script "$moddir/ram.sh" /usr/lib/perceus-ram.sh
}
