# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Disk images with systemd, from Debian packages of any release, and booting them. Sourced by Tests/vm/run-systemd, which
# sets `cache`, a directory that is kept between runs, and `here`, the directory of Tests/vm.
# shellcheck disable=SC2034,SC2154

# What the tests need beside systemd: python3 runs them, and the app that they deploy; slirp4netns, iproute2 and kmod
# give an app a way out; the last four give an ordinary user a service manager and ids. What the package needs comes with these, so that dpkg can install it in a machine without a
# network.
image_packages=systemd-sysv,python3,libsqlite3-0,libseccomp2,slirp4netns,iproute2,kmod
image_packages+=,dbus,dbus-user-session,libpam-systemd,uidmap

# Units that a test machine does not need; every one costs time when it is emulated.
image_masked=(apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
    fstrim.timer getty-static.service getty@tty1.service kmod-static-nodes.service ldconfig.service
    serial-getty@ttyS0.service dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount run-lock.mount
    sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount
    modprobe@.service systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service
    systemd-journal-catalog-update.service systemd-journal-flush.service systemd-modules-load.service
    systemd-pcrphase.service systemd-pstore.service systemd-random-seed.service systemd-remount-fs.service
    systemd-sysctl.service systemd-sysusers.service systemd-tmpfiles-clean.timer systemd-tmpfiles-setup-dev.service
    systemd-tmpfiles-setup-dev-early.service systemd-update-done.service systemd-update-utmp.service
    systemd-update-utmp-runlevel.service systemd-user-sessions.service)

# The kernel of each image: systemd 252 and 257, each with its release's own.
declare -A image_kernel=([bookworm]=linux-image-cloud-amd64 [trixie]=linux-image-6.12-cloud-amd64)

# Prints the image of a Debian release, building it first where it is not there yet. $1: such as bookworm; $2: more packages,
# with commas between, or nothing. Fails when its packages cannot be had; the reason is beside it, in a file .log.
debian_image() {
    local release=$1 name=$1${2:+,$2} image work recipe
    image=$cache/images/$name.img
    # A change of the recipe makes a new image.
    recipe=$(cat "$here/image.sh" "$here/systemd/guest.service" "$here/systemd/guest" | sha256sum)
    if [[ ! -f $image || $(<"$image.recipe") != "$recipe" ]]; then
        mkdir -p "$cache/images"
        work=$(mktemp -d -p "$cache/images")
        # A mount namespace of its own, because mmdebstrap mounts /proc and more in the tree.
        if ! unshare --mount mmdebstrap --mode=root --variant=minbase --include="$image_packages${2:+,$2}" \
            --aptopt='Acquire::Languages "none"' --dpkgopt='force-unsafe-io' \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' \
            "$release" "$work/tree" "$(debian_mirror)" >"$cache/images/$name.log" 2>&1 </dev/null; then
            rm -rf "$work"
            return 1
        fi
        finish_tree "$work/tree"
        make_file_system "$work/tree" "$work/image" 512
        mv "$work/image" "$image"
        printf '%s\n' "$recipe" >"$image.recipe"
        rm -rf "$work"
    fi
    printf '%s' "$image"
}

# Packs a tree into an ext4 file system without mounting anything. $1: the tree; $2: the file; $3: MiB that stay free.
make_file_system() {
    mke2fs -q -t ext4 -O '^has_journal' -m 0 -d "$1" "$2" "$(($(du -s --block-size=1M "$1" | cut -f1) + $3))M" >/dev/null
}

# Turns a Debian into a machine that runs a payload at boot. $1: the tree.
finish_tree() {
    local tree=$1 unit
    printf 'vm\n' >"$tree/etc/hostname"
    printf '127.0.0.1 localhost vm\n' >"$tree/etc/hosts"
    : >"$tree/etc/machine-id"
    for unit in "${image_masked[@]}"; do ln -sf /dev/null "$tree/etc/systemd/system/$unit"; done
    install -m 644 "$here/systemd/guest.service" "$tree/etc/systemd/system/guest.service"
    install -D -m 755 "$here/systemd/guest" "$tree/usr/local/sbin/guest"
    ln -sf ../guest.service "$tree/etc/systemd/system/multi-user.target.wants/guest.service"
    rm -rf "$tree"/var/cache/apt/*.bin "$tree"/var/lib/apt/lists/*
}

# Boots an image with a payload, waits for the machine's end, and leaves console, output and code in a directory.
# $1: kernel; $2: image, which is written to; $3: the payload, a file system with a program `run`; $4: what that program is
# told; $5: directory; $6: seconds; the rest: more options of QEMU. Returns 0 when the payload ran to its end and the machine
# then went down by itself.
boot_image() {
    local kernel=$1 image=$2 payload=$3 phase=$4 out=$5 seconds=$6 status=0
    shift 6
    mkdir -p "$out"
    rm -f "$out"/{console,output,code}
    timeout --kill-after=10 "$seconds" qemu-system-x86_64 \
        -accel tcg,thread=single -cpu max -smp 1 -m "${VM_MEMORY:-1024}" \
        -nodefaults -no-user-config -display none -no-reboot \
        -serial "file:$out/console" -serial "file:$out/output" -serial "file:$out/code" \
        -drive "file=$image,format=raw,if=none,id=system,cache=unsafe" -device nvme,drive=system,serial=system \
        -drive "file=$payload,format=raw,if=none,id=payload,readonly=on" -device nvme,drive=payload,serial=payload \
        -kernel "$kernel" \
        -append "root=/dev/nvme0n1 rw console=ttyS0 quiet panic=-1 8250.nr_uarts=4 systemd.show_status=0 phase=$phase" \
        "$@" </dev/null >"$out/qemu" 2>&1 || status=$?
    ((status == 0)) || echo "qemu ended with $status (124 is the limit of $seconds s)" >>"$out/qemu"
    ((status == 0)) && [[ -s $out/code ]]
}
