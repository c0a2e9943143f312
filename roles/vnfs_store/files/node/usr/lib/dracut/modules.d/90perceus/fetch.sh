#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: files from the image servers, fetched and verified.

# Slow is what is silent or nearly so: many nodes at once get little each.
download() {
    curl --fail --silent --show-error --noproxy '*' --connect-timeout 5 --speed-limit 1024 --speed-time 15 \
        --continue-at - --output "$1" "$2" 2>&1
}

# fetch FILE SHA256 WHAT NOTE URL...: WHAT is for the console, NOTE goes before what the master is told.
# A server that fails is left for the next at once, which goes on where that one was cut. One that cannot go on there, or
# does and the whole is wrong, is asked for all of it, as it may be the other's part that is wrong.
fetch() {
    file=$1 sum=$2 what=$3 note=$4
    shift 4
    while [ $# -gt 0 ]; do
        begun=
        [ ! -s "$file" ] || begun=yes
        say "fetching ${begun:+the rest of }$1"
        stage=retry
        fault=$(download "$file" "$1")
        ended=$?
        if [ "$ended" = 0 ]; then
            got=$(sha256sum < "$file")
            got=${got%% *}
            [ "$got" != "$sum" ] || return 0
            stage=refused
            fault="wanted $sum got $got"
        fi
        server=${1#http://}
        server=${server%%/*}
        say "$what cannot be had from $server: $fault"
        report "$stage" "$note$server: $fault"
        case $ended in
            0 | 22 | 23 | 33) # the server answered, and what it has does not fit: curl(1), EXIT CODES
                rm -f "$file"
                [ -z "$begun" ] || continue
                ;;
        esac
        shift
    done
    return 1
}
