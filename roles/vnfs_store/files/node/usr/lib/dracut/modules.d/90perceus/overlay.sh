#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: the archive of the node's overlays, fetched, verified and unpacked
# over the new root by the root's own tar, so that no link of it leads elsewhere; then the node's init scripts.
# shellcheck disable=SC2154 # perceus-root sets NEWROOT, STATE, boot, and what it was told

OVERLAY=$STATE/overlay.tar.zst

fetch_overlay() {
    say "fetching $overlay_url"
    fault=$(curl --fail --silent --show-error --noproxy '*' --connect-timeout 10 --speed-limit 1024 --speed-time 30 \
        --output "$OVERLAY" "$overlay_url" 2>&1) && return 0
    say "cannot fetch the overlays: $fault"
    report retry "overlays: $fault"
    return 1
}

verify_overlay() {
    got=$(sha256sum < "$OVERLAY")
    got=${got%% *}
    [ "$got" = "$overlay_wanted" ] && return 0
    say "refused the overlays: their SHA-256 is $got, wanted is $overlay_wanted"
    report refused "overlays: wanted $overlay_wanted got $got"
    return 1
}

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
    overlay_url=$(getarg perceus.overlay) || return 0
    overlay_wanted=$(getarg perceus.overlay_sha256)
    until fetch_overlay && verify_overlay && unpack_overlay; do
        back_off
    done
    rm -f "$OVERLAY"
}

# The image may bring scripts of its own, so that this follows whether there is an overlay or not.
run_init_scripts() {
    [ -d "$NEWROOT/etc/perceus/init.d" ] || return 0
    for folder in dev proc run sys; do
        mount --bind "/$folder" "$NEWROOT/$folder"
    done
    chroot "$NEWROOT" /usr/lib/perceus/nodescripts init > /dev/console 2>&1 || say "some init scripts failed"
    for folder in dev proc run sys; do
        umount "$NEWROOT/$folder"
    done
}
