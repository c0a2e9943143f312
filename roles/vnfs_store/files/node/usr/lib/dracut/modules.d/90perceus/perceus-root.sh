#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The first stage of a perceus node: network from ip=, image into RAM, SHA-256, loop + overlay, mounted at $NEWROOT.
# Another root mode than overlay is made by root_by_MODE of a dracut module of its own.
# It never gives up: each failure is said on the console and to the master, and tried again with back-off and jitter.
# The image exists once, in a tmpfs of its size; that tmpfs, the overlay's and /run/perceus move into the node with /run.

. /lib/dracut-lib.sh

STATE=/run/perceus
IMAGE=$STATE/image/rootfs.squashfs
HEADROOM_KIB=24576 # what is needed beside the image; systemd gets what the first stage itself held as well
LONGEST_PAUSE=60   # seconds, before jitter

say() {
    echo "perceus: $*" > /dev/console
}

# The master's log has short lines.
report() {
    curl --get --silent --noproxy '*' --local-port 1-1023 --max-time 5 --output /dev/null \
        --data-urlencode "stage=$1" --data-urlencode "mac=$mac" --data-urlencode "gen=$generation" \
        --data-urlencode "boot=$boot" --data-urlencode "detail=$(printf %.300s "$2")" "$report_url"
}

back_off() {
    seconds=$((pause + $(shuf -i "0-$pause" -n 1)))
    say "trying again in $seconds s"
    sleep "$seconds"
    pause=$((pause * 2))
    [ "$pause" -le "$LONGEST_PAUSE" ] || pause=$LONGEST_PAUSE
}

# Set $interface to the one that has the boot's MAC address.
find_interface() {
    for device in /sys/class/net/*; do
        if [ "$(cat "$device/address")" = "$mac" ]; then
            interface=${device##*/}
            return 0
        fi
    done
    return 1
}

await_interface() {
    say "waiting for the interface with address $mac"
    until find_interface; do
        sleep 0.5
    done
    udevadm settle # it may be about to be renamed
    find_interface
}

# $1 is the kernel's ip=ADDRESS:PEER:GATEWAY:NETMASK:NAME:INTERFACE:none
configure_interface() {
    IFS=: read -r address _ gateway netmask _ <<ARGUMENT
$1
ARGUMENT
    say "waiting for a link on $interface"
    ip link set dev "$interface" up
    until [ "$(cat "/sys/class/net/$interface/carrier")" = 1 ]; do
        sleep 0.2
    done
    ip address replace "$address/$netmask" broadcast + dev "$interface"
    # As networkd will write it after DHCP, so that there is one default route and not two.
    [ -z "$gateway" ] || ip route replace default via "$gateway" dev "$interface" proto dhcp src "$address" metric 1024
    say "$interface has $address"
}

# The address stays as it is until DHCP has confirmed it: a node's root and its ssh sessions hang on it.
hand_interface_over() {
    mkdir -p /run/systemd/network
    cat > /run/systemd/network/70-perceus-boot.network <<NETWORK
[Match]
MACAddress=$mac

[Network]
DHCP=ipv4
KeepConfiguration=yes
LLMNR=no

[DHCPv4]
ClientIdentifier=mac
NETWORK
}

# memory KEY: what /proc/meminfo says of it, in KiB
memory() {
    while read -r key value _; do
        [ "$key" != "$1:" ] || echo "$value"
    done < /proc/meminfo
}

# enough_memory BYTES
enough_memory() {
    available=$(memory MemAvailable)
    needed=$(($1 / 1024 + HEADROOM_KIB))
    [ "$available" -ge "$needed" ] && return 0
    fault="the image needs $((needed / 1024)) MiB of memory, $((available / 1024)) MiB are free"
    say "$fault"
    report nomem "$fault"
    return 1
}

# With index=on a file that is written keeps all its names.
assemble() {
    mkdir -p "$STATE/lower" "$STATE/rw"
    layers="lowerdir=${hybrid:+$hybrid:}$STATE/lower,upperdir=$STATE/rw/upper,workdir=$STATE/rw/work"
    fault="cannot mount the image"
    mount -t squashfs -o loop,ro "$IMAGE" "$STATE/lower" \
        && mount -t tmpfs -o mode=0755 perceus-rw "$STATE/rw" \
        && mkdir "$STATE/rw/upper" "$STATE/rw/work" \
        && mount -t overlay -o "$layers,index=on" perceus-root "$NEWROOT" \
        && fault="cannot restore the image's access control lists" \
        && chroot "$NEWROOT" /usr/lib/perceus/restore-acls \
        && return 0
    say "$fault"
    report retry "$fault"
    umount "$NEWROOT" "$STATE/rw" "$STATE/lower"
    return 1
}

fetch_image() {
    mkdir -p "$STATE/image"
    mount -t tmpfs -o "size=$size,mode=0700" perceus-image "$STATE/image"
    report fetch
    # shellcheck disable=SC2086 # a URL for each server
    if take_signed_sum && fetch "$IMAGE" "$wanted" "the image" "" $urls; then
        report verified
        return 0
    fi
    umount "$STATE/image"
    return 1
}

root_by_overlay() {
    enough_memory "$size" || return 1
    fetch_image || return 1
    if [ -z "$hybrid" ] && hybrid_size=$(getarg perceus.hybrid); then
        mount_hybrid "$hybrid_size"
    fi
    assemble && return 0
    umount "$STATE/image"
    return 1
}

# shellcheck disable=SC1090 # those of dracut's modules that are there
for part in /usr/lib/perceus-*.sh; do
    . "$part"
done

bootif=$(getarg BOOTIF)
mac=$(echo "${bootif#??-}" | sed 'y/ABCDEF-/abcdef:/')
generation=$(getarg perceus.generation)
urls=$(getargs perceus.image)
wanted=$(getarg perceus.sha256)
size=$(getarg perceus.size)
root_mode=$(getarg perceus.root) || root_mode=overlay
report_url=$(getarg perceus.report)
boot=$(cat /proc/sys/kernel/random/boot_id)
pause=2
hybrid= # the layer over the image, if there is one

mkdir -p "$STATE"
for fact in "generation=$generation" "report=$report_url" "mac=$mac" "node=$(getarg perceus.node)" "vnfs=$(getarg perceus.vnfs)"; do
    echo "${fact#*=}" > "$STATE/${fact%%=*}"
done
modprobe -a loop squashfs overlay
if [ "$root_mode" != local ]; then # which is there without the network
    await_interface
    configure_interface "$(getarg ip)"
fi
until "root_by_$root_mode"; do
    back_off
done
hand_interface_over
say "handing over to ${generation}"
if [ "$root_mode" != local ]; then
    overlay_into_root
    run_init_scripts
    report pivot
fi
