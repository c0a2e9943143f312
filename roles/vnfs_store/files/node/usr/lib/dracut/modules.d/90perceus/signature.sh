#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: of a VNFS whose images are signed, the checksum of the image comes from
# the signed list of its generation, and not from the kernel's command line.
# shellcheck disable=SC2034,SC2154 # perceus-root sets STATE, urls, generation, and reads wanted

SIGNERS=/etc/perceus/allowed_signers # there if images are to be signed

# Set $wanted by the first server whose list is signed for this generation.
take_signed_sum() {
    [ -e "$SIGNERS" ] || return 0
    sums=$STATE/SHA256SUMS
    for image_url in $urls; do
        server=${image_url#http://}
        server=${server%%/*}
        list=${image_url%/*}/SHA256SUMS
        rm -f "$sums" "$sums.sig"
        stage=retry
        if fault=$(download "$sums" "$list") && fault=$(download "$sums.sig" "$list.sig"); then
            stage=refused
            fault=$(ssh-keygen -Y verify -f "$SIGNERS" -I perceus-image -n perceus-image -s "$sums.sig" < "$sums" 2>&1) \
                && fault="signed for another generation" \
                && [ "$(sed -n '1s/^# generation //p' "$sums")" = "$generation" ] \
                && wanted=$(sed -n 's/  rootfs\.squashfs$//p' "$sums") \
                && say "the image's checksum is signed" \
                && return 0
        fi
        say "the image's signature cannot be had from $server: $fault"
        report "$stage" "signature: $server: $fault"
    done
    return 1
}
