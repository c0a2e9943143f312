#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: root mode disk. Which disks are meant, whether they may be written to,
# and, once the node is installed, on to that.
# An installation has in var/lib/perceus/installation the node's machine_id, the tokens by which it was asked for, be it
# here or where it followed another one, and at last a file that says that it is complete.
# shellcheck disable=SC2154 # perceus-root sets STATE, NEWROOT

INSTALLATION=var/lib/perceus/installation
DISK_PATIENCE=5 # seconds in which disks must have come, once the network is there

# refuse WHY
refuse() {
    say "refused: $1"
    report refused "disk: $1"
    return 1
}

# NAME BYTES SERIAL of each disk that can be written to and stays where it is
list_disks() {
    lsblk --nodeps --noheadings --bytes --raw --output NAME,SIZE,RO,RM,TYPE,SERIAL \
        | while read -r name bytes read_only removable kind serial; do
            [ "$kind $read_only $removable" != "disk 0 0" ] || echo "$name $bytes $serial"
        done
}

describe_disks() {
    list_disks | while read -r name bytes serial; do
        printf '%s (%s MiB%s) ' "$name" $((bytes >> 20)) "${serial:+, serial $serial}"
    done
}

# meets SELECTOR NAME BYTES SERIAL: sizes of a selector are in GiB
meets() {
    for condition in $(echo "$1" | tr , ' '); do
        value=${condition#*=}
        case $condition in
            /dev/*) [ "$(readlink -f "$condition")" = "/dev/$2" ] ;;
            serial=*) [ "$value" = "$4" ] ;;
            size=*) [ "$3" -ge $((${value%-*} << 30)) ] && [ "$3" -le $((${value#*-} << 30)) ] ;;
        esac || return 1
    done
}

# Set $disks to those that the selectors mean, each one.
choose_disks() {
    disks=
    for selector in $(getargs perceus.disk); do
        found=$(list_disks | while read -r name bytes serial; do
            ! meets "$selector" "$name" "$bytes" "$serial" || printf '/dev/%s ' "$name"
        done)
        case $found in
            *" "?*) fault="several disks are meant by $selector" ;;
            "") fault="no disk is meant by $selector" ;;
            *) fault= ;;
        esac
        case " $disks" in
            *" $found"*) [ -z "$found" ] || fault="the same disk is meant by $selector and another one" ;;
        esac
        if [ -n "$fault" ]; then
            fault="$fault; there are: $(describe_disks)"
            return 1
        fi
        disks="$disks$found"
    done
}

await_disks() {
    tries=$DISK_PATIENCE
    until choose_disks; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 1
    done
}

# devices DISK…: the disks, their partitions, and what those are part of, the innermost last
devices() {
    lsblk --noheadings --raw --paths --output NAME "$@" | grep -n . | sort -t : -k 2 -u | sort -n | cut -d : -f 2
}

# ask DEVICE TAG: what blkid(8) finds on it
ask() {
    blkid --probe --match-tag "$2" --output value "$1"
}

# Set $owner, $tokens and $complete to what the installation on the disks says, if there is one. A root that has no file
# system yet is ours, and was begun.
recall() {
    owner='' tokens='' complete=''
    mdadm --assemble --scan --run 2> /dev/null
    mkdir -p "$STATE/earlier"
    # shellcheck disable=SC2086 # names without blanks
    for device in $(devices $disks); do
        if [ "$(ask "$device" PART_ENTRY_NAME)" = perceus-root ] && [ -z "$(wipefs --noheadings "$device")" ]; then
            owner=$own
        elif [ "$(ask "$device" LABEL)" = perceus-root ] && mount -o ro "$device" "$STATE/earlier"; then
            owner=$(cat "$STATE/earlier/$INSTALLATION/machine_id")
            tokens=$(cat "$STATE/earlier/$INSTALLATION/tokens")
            complete=$(cat "$STATE/earlier/$INSTALLATION/complete")
            umount "$STATE/earlier"
        fi
    done 2> /dev/null
    mdadm --stop --scan 2> /dev/null
}

# Whether one of the disks bears anything; $fault says what.
bears_data() {
    for disk in $disks; do
        signs=$(wipefs --noheadings --output TYPE "$disk" 2>&1) || signs="what cannot be read: $signs"
        if [ -n "$signs" ]; then
            fault="$disk bears data:$(echo "$signs" | sort -u | while read -r sign; do printf ' %s' "$sign"; done)"
            return 0
        fi
    done
    return 1
}

was_used() {
    echo "$tokens" | grep --quiet --line-regexp --fixed-strings -e "$1"
}

restart() {
    say "restarting"
    sync
    systemctl reboot --force --force
}

root_by_disk() {
    own=$(getarg systemd.machine_id)
    token=$(getarg perceus.reinstall) || token=
    if ! await_disks; then
        refuse "$fault"
        return 1
    fi
    recall
    if [ "$owner" = "$own" ] && [ -n "$complete" ] && { [ -z "$token" ] || was_used "$token"; }; then
        [ -z "$token" ] || say "installed by the token $token already"
        report installed "$token"
        back_off # so that the master has it boot from disk by then
        restart
    fi
    if [ -z "$token" ] && { [ "$owner" != "$own" ] || [ -n "$complete" ]; } && bears_data; then
        refuse "$fault; it is overwritten at your word only: nodes_reinstall"
        return 1
    fi
    read_layout
    if ! layout_fits; then
        refuse "$fault"
        return 1
    fi
    enough_memory "$size" && fetch_image || return 1
    if install_on_disks; then
        report installed "$token"
        restart
    fi
    say "cannot install: $fault"
    report retry "disk: $fault"
    umount "$STATE/image"
    return 1
}
