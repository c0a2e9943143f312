#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Part of the first stage, sourced by perceus-root: partitions, file systems, the image's files and a boot loader on the
# chosen disks. With two disks, all but what firmware reads is a RAID 1 of both.
# shellcheck disable=SC2154 # perceus-root and disk.sh set NEWROOT, STATE, IMAGE, disks, own, token, tokens, unpacked

DEFINITIONS=$STATE/repart.d
BIOS_BOOT=21686148-6449-6E6F-744E-656564454649
RAID=a19d880f-05fc-4d3b-a006-743f0f84911e
ESP=boot/efi

# attempt COMMAND…: what it says is the fault
attempt() {
    fault=$("$@" 2>&1 < /dev/null) || {
        fault="$1: $fault"
        return 1
    }
}

# define NAME TYPE MIB [MOST_MIB]: the next partition; its number is $NAME_number
define() {
    count=$((count + 1))
    printf '[Partition]\nType=%s\nLabel=perceus-%s\nSizeMinBytes=%sM\n%s\n' \
        "$2" "$1" "$3" "${4:+SizeMaxBytes=${4}M}" > "$DEFINITIONS/$count.conf"
    eval "$1_number=$count"
}

# The kernel's perceus.layout=FILESYSTEM:SWAP:ROOT:DATA, sizes in MiB
read_layout() {
    IFS=: read -r filesystem swap_size root_size data_mount << ARGUMENT
$(getarg perceus.layout)
ARGUMENT
    kind=linux-generic swap_kind=swap
    # shellcheck disable=SC2086 # names without blanks
    set -- $disks
    [ $# -eq 1 ] || kind=$RAID swap_kind=$RAID
    count=0
    rm -rf "$DEFINITIONS"
    mkdir -p "$DEFINITIONS"
    define bios "$BIOS_BOOT" 1 1
    define esp esp 128 128
    [ -z "$swap_size" ] || define swap "$swap_kind" "$swap_size" "$swap_size"
    define root "$kind" "${root_size:-$((unpacked * 5 / 4 / 1048576 + 64))}" "$root_size"
    [ -z "$data_mount" ] || define data "$kind" 64
}

# repart DRY_RUN DISK
repart() {
    attempt systemd-repart --dry-run="$1" --empty=force --seed=random --definitions="$DEFINITIONS" --pretty=no "$2"
}

# Nothing is written yet.
layout_fits() {
    for disk in $disks; do
        repart yes "$disk" || return 1
    done
}

partition_disks() {
    for disk in $disks; do
        for device in $(devices "$disk" | sort -r); do
            attempt wipefs --all --force "$device" || return 1
        done
        repart no "$disk" || return 1
    done
    udevadm settle
}

# part DISK NUMBER
part() {
    case $1 in
        *[0-9]) echo "$1p$2" ;;
        *) echo "$1$2" ;;
    esac
}

# Set $volume to the partition of this number, or the RAID 1 of those of both disks.
make_volume() {
    # shellcheck disable=SC2046 # names without blanks
    set -- "$1" $(for disk in $disks; do part "$disk" "$1"; done)
    number=$1 volume=$2
    [ $# -eq 3 ] || return 0
    volume=/dev/md$number
    shift
    MDADM_NO_UDEV=1 attempt mdadm --create "$volume" --run --level=1 --metadata=1.2 --homehost=any \
        --raid-devices=2 "$@"
}

# format NAME: make the file system perceus-NAME on $volume
format() {
    case $filesystem in
        ext4) attempt mkfs.ext4 -q -F -L "perceus-$1" "$volume" ;;
        xfs) attempt mkfs.xfs -q -f -L "perceus-$1" "$volume" ;;
    esac
}

# mount_line FOLDER TYPE OPTIONS PASS: for fstab, of $volume
mount_line() {
    echo "UUID=$(ask "$volume" UUID) $1 $2 $3 0 $4"
}

make_volumes() {
    pass=1
    [ "$filesystem" = ext4 ] || pass=0
    make_volume "$root_number" && format root || return 1
    attempt mount "$volume" "$NEWROOT" || return 1
    root_uuid=$(ask "$volume" UUID)
    begin_installation
    fstab=$(mount_line / "$filesystem" defaults "$pass")
    if [ -n "$swap_size" ]; then
        make_volume "$swap_number" && attempt mkswap --label perceus-swap "$volume" || return 1
        fstab="$fstab
$(mount_line none swap nofail 0)"
    fi
    if [ -n "$data_mount" ]; then
        make_volume "$data_number" && format data || return 1
        fstab="$fstab
$(mount_line "$data_mount" "$filesystem" nofail $((pass * 2)))"
    fi
}

# What is cut short from here on is this node's, and may be begun anew.
begin_installation() {
    mkdir -p "$NEWROOT/$INSTALLATION"
    echo "$own" > "$NEWROOT/$INSTALLATION/machine_id"
    printf '%s\n' "$tokens" "$token" > "$NEWROOT/$INSTALLATION/tokens"
}

unpack_onto_disk() {
    say "unpacking the image"
    mkdir -p "$STATE/lower"
    attempt mount -t squashfs -o loop,ro "$IMAGE" "$STATE/lower" || return 1
    attempt cp --recursive --no-dereference --preserve=mode,ownership,timestamps,links,xattr -- \
        "$STATE/lower/." "$NEWROOT"
    ended=$?
    umount "$STATE/lower"
    [ "$ended" -eq 0 ] || return 1
    attempt chroot "$NEWROOT" /usr/lib/perceus/restore-acls || return 1
    echo "$fstab" > "$NEWROOT/etc/fstab"
    [ -z "$data_mount" ] || mkdir -p "$NEWROOT$data_mount"
}

# What a kernel that boots from disk is told, beside where its root is: all but how to install.
kept_arguments() {
    # shellcheck disable=SC2013 # words
    for argument in $(cat /proc/cmdline); do
        case $argument in
            BOOT_IMAGE=* | initrd=* | ip=* | perceus.disk=* | perceus.generation=* | perceus.image=* | perceus.layout=*) ;;
            perceus.overlay*=* | perceus.reinstall=* | perceus.root=* | perceus.sha256=* | perceus.size=*) ;;
            perceus.unpacked=*) ;;
            *) printf " '%s'" "$argument" ;;
        esac
    done
}

# The image brings kernel, initramfs and the name of its generation, so that a livesync renews all of it.
render_grub() {
    cat << GRUB
search --no-floppy --fs-uuid --set=root $root_uuid
source /usr/lib/perceus/generation
linux /usr/lib/perceus/vmlinuz root=UUID=$root_uuid perceus.root=local perceus.generation=\$generation$(kept_arguments)
initrd /usr/lib/perceus/initramfs.img
boot
GRUB
}

make_bootable() {
    say "installing the boot loader"
    mkdir -p "$NEWROOT/boot/grub" "$NEWROOT/$ESP"
    render_grub > "$NEWROOT/boot/grub/grub.cfg"
    bind_kernel_folders
    install_grubs
    ended=$?
    unbind_kernel_folders
    return "$ended"
}

install_grubs() {
    for disk in $disks; do
        install_grub || return 1
    done
}

# For the firmware of today, and the other one if the tree has GRUB for it.
install_grub() {
    esp=$(part "$disk" "$esp_number")
    if [ -d "$NEWROOT/usr/lib/grub/i386-pc" ]; then
        attempt chroot "$NEWROOT" grub-install --target=i386-pc "$disk" || return 1
    fi
    if [ -d "$NEWROOT/usr/lib/grub/x86_64-efi" ]; then
        attempt mkfs.vfat -F 32 -n ESP "$esp" && attempt mount "$esp" "$NEWROOT/$ESP" || return 1
        attempt chroot "$NEWROOT" grub-install --target=x86_64-efi --efi-directory="/$ESP" --removable --no-nvram
        ended=$?
        umount "$NEWROOT/$ESP"
        return "$ended"
    fi
}

finish_installation() {
    overlay_into_root
    run_init_scripts
    # What a livesync is to leave alone
    {
        cat "$STATE/overlay" 2> /dev/null
        printf '%s\n' boot/efi boot/grub etc/fstab etc/machine-id lost+found var/lib/perceus ${data_mount:+"${data_mount#/}"}
    } > "$NEWROOT/$INSTALLATION/kept"
    echo "$generation" > "$NEWROOT/$INSTALLATION/complete"
    sync
}

install_on_disks() {
    say "installing on $disks"
    report install
    partition_disks && make_volumes && unpack_onto_disk && make_bootable && finish_installation
    ended=$?
    umount "$NEWROOT"
    mdadm --stop --scan 2> /dev/null
    return "$ended"
}
