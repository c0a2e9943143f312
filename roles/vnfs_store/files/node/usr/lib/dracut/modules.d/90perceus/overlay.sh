#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: the archive of the node's overlays, fetched and unpacked
# over the new root by the root's own tar, so that no link of it leads elsewhere; then the node's init scripts.
# shellcheck disable=SC2154 # perceus-root sets NEWROOT, STATE, boot, and what it was told

OVERLAY=$STATE/overlay.tar.zst

# What livesync is to leave alone is kept as a list.
unpack_overlay() {
    fault=$(umask 022 && chroot "$NEWROOT" tar --extract --zstd --preserve-permissions --numeric-owner --directory=/ --file=- \
        < "$OVERLAY" 2>&1) \
        && fault=$(chroot "$NEWROOT" tar --list --zstd --quoting-style=literal --file=- < "$OVERLAY" 2>&1 > "$STATE/overlay") \
        && return 0
    say "cannot unpack the overlays: $fault"
    report retry "overlays: $fault"
    return 1
}

overlay_into_root() {
    overlay_urls=$(getargs perceus.overlay) || return 0
    overlay_wanted=$(getarg perceus.overlay_sha256)
    # shellcheck disable=SC2086 # a URL for each server
    until fetch "$OVERLAY" "$overlay_wanted" "the overlays' archive" "overlays: " $overlay_urls && unpack_overlay; do
        back_off
    done
    rm -f "$OVERLAY"
}

bind_kernel_folders() {
    for folder in dev proc run sys; do
        mount --bind "/$folder" "$NEWROOT/$folder"
    done
}

unbind_kernel_folders() {
    for folder in dev proc run sys; do
        umount "$NEWROOT/$folder"
    done
}

# The image may bring scripts of its own, so that this follows whether there is an overlay or not.
run_init_scripts() {
    [ -d "$NEWROOT/etc/perceus/init.d" ] || return 0
    bind_kernel_folders
    chroot "$NEWROOT" /usr/lib/perceus/nodescripts init > /dev/console 2>&1 || say "some init scripts failed"
    unbind_kernel_folders
}
