#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: root mode ram. The image is unpacked into a tmpfs, where as much may
# be written beside it as in other modes, half of the memory; nothing else of it stays.
# shellcheck disable=SC2154 # perceus-root sets NEWROOT, STATE, IMAGE, size

unpack() {
    mkdir -p "$STATE/lower"
    limit=$((unpacked / 1024 + $(memory MemTotal) / 2))
    fault="cannot unpack the image"
    mount -t squashfs -o loop,ro "$IMAGE" "$STATE/lower" \
        && mount -t tmpfs -o "size=${limit}k,nr_inodes=0" perceus-root "$NEWROOT" \
        && fault=$(cp -a "$STATE/lower/." "$NEWROOT" 2>&1) \
        && fault="cannot restore the image's access control lists" \
        && chroot "$NEWROOT" /usr/lib/perceus/restore-acls \
        && return 0
    say "$fault"
    report retry "$fault"
    umount "$NEWROOT"
    return 1
}

root_by_ram() {
    unpacked=$(getarg perceus.unpacked)
    enough_memory $((size + unpacked)) || return 1
    fetch_image || return 1
    unpack
    ended=$?
    umount "$STATE/lower" "$STATE/image"
    rmdir "$STATE/lower" "$STATE/image"
    return "$ended"
}
