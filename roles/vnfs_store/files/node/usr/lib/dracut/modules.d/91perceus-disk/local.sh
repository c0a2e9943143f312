#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: root mode local, that of a node which was installed and is booted by
# the boot loader on its own disk. The network is left to the node.
# shellcheck disable=SC2154 # perceus-root and disk.sh set NEWROOT, STATE, INSTALLATION

RAID_PATIENCE=15 # seconds in which both disks of a RAID must have come

root_by_local() {
    root_uuid=$(getarg root)
    root_uuid=${root_uuid#UUID=}
    say "waiting for the file system $root_uuid"
    tries=0
    until device=$(blkid --uuid "$root_uuid"); do
        tries=$((tries + 1))
        incomplete=--no-degraded
        [ "$tries" -lt "$RAID_PATIENCE" ] || incomplete=--run
        mdadm --stop --scan 2> /dev/null # what has come of a RAID is not begun anew as long as it is held
        mdadm --assemble --scan "$incomplete" 2> /dev/null
        sleep 1
    done
    # Read-only: systemd looks at the file system, then has it writable as fstab says.
    mount -o ro "$device" "$NEWROOT" || return 1
    cp "$NEWROOT/$INSTALLATION/kept" "$STATE/overlay"
}
