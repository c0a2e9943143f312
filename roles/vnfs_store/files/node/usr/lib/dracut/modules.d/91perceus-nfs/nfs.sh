#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: what of an image stays on an NFS server. Root mode nfs has the whole
# image there, and only what is read of it comes over the network.
# shellcheck disable=SC2034,SC2154 # perceus-root sets STATE, generation and size, and reads IMAGE and hybrid

SERVED=$STATE/served
HYBRID=$STATE/hybrid

# mount_served FILE BYTES: from the first server that has it, set $served to where it is. What is wrong with a server
# shows soon, or the next one is asked; once mounted, a server that is away is waited for.
# The kernel itself speaks NFS 4.1, so that no program of nfs-utils is needed. What is served never changes.
mount_served() {
    served=$SERVED/$(getarg perceus.vnfs)-$generation-$1
    mkdir -p "$SERVED"
    for server in $(getargs perceus.nfs); do
        say "mounting $server"
        options="ro,nodev,nosuid,noexec,vers=4.1,hard,nocto,actimeo=86400,addr=${server%%:*}"
        if fault=$(timeout -s KILL 30 mount -i -t nfs -o "$options" "$server" "$SERVED" 2>&1); then
            if [ "$(stat -c %s "$served")" = "$2" ]; then
                echo "$generation" > "$STATE/mounted" # which the master keeps as long as heartbeats say so
                return 0
            fi
            fault="it has no ${served##*/} of $2 bytes"
            umount "$SERVED"
        fi
        say "cannot have $1 from $server: $fault"
        report retry "$server: ${fault:-no answer}"
    done
    return 1
}

# Set $hybrid to the layer of what has left the image. Without it the node boots nevertheless, and has a text in its place.
mount_hybrid() {
    hybrid=
    mkdir -p "$HYBRID"
    mount_served hybrid.squashfs "$1" && mount -t squashfs -o loop,ro "$served" "$HYBRID" && hybrid=$HYBRID && return 0
    say "booting without what the image has on an NFS server"
    umount "$SERVED"
}

root_by_nfs() {
    report fetch
    mount_served rootfs.squashfs "$size" || return 1
    IMAGE=$served
    assemble && return 0
    umount "$SERVED"
    return 1
}
