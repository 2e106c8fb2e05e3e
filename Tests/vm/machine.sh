# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Building and booting the test machine: kernels from Debian packages, an initramfs from busybox and what a test
# adds, QEMU without KVM. Sourced by Tests/vm/run, which sets `cache`, a directory that is kept between runs.
# shellcheck disable=SC2154

# Prints the directory of a kernel, fetching it first where it is not there yet.
# $1: name of a Debian meta package, such as linux-image-cloud-amd64.
fetch_kernel() {
    local meta=$1 directory=$cache/kernels/$1 package
    if [[ ! -f $directory/vmlinuz ]]; then
        package=$(apt-cache depends --no-suggests --no-recommends "$meta" 2>/dev/null |
            sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
        [[ -n $package ]] || return 1
        rm -rf "$directory.new" && mkdir -p "$directory.new/root"
        (cd "$directory.new" && apt-get -q -o APT::Sandbox::User=root download "$package" >&2) || return 1
        dpkg-deb --fsys-tarfile "$directory.new/$package"_*.deb |
            tar -x -C "$directory.new/root" --wildcards './boot/vmlinuz-*' || return 1
        mv "$directory.new"/root/boot/vmlinuz-* "$directory.new/vmlinuz"
        echo "$package" >"$directory.new/package"
        rm -rf "$directory.new/root" "$directory.new"/*.deb "$directory"
        mv "$directory.new" "$directory"
    fi
    echo "$directory"
}

# Copies programs with the shared libraries they name into a tree. $1: the tree; the rest: PATH-IN-TREE=FILE.
install_programs() {
    local tree=$1 pair file library libraries
    shift
    for pair in "$@"; do
        file=${pair#*=}
        mkdir -p "$tree$(dirname "${pair%%=*}")"
        cp -L "$file" "$tree${pair%%=*}"
        mapfile -t libraries < <(ldd "$file" 2>/dev/null | grep -o '/[^ ]*')
        for library in "${libraries[@]}"; do
            [[ -e $tree$library ]] && continue
            mkdir -p "$tree$(dirname "$library")"
            cp -L "$library" "$tree$library"
        done
    done
}

# The base of every machine: busybox, our /init, users. $1: directory of Tests/vm; $2: the tree to fill.
make_base() {
    local here=$1 tree=$2
    mkdir -p "$tree"/{bin,usr/bin,sbin,etc,lib64,root,var/lib,vm,home}
    install_programs "$tree" /bin/busybox="$(busybox_path)"
    ln -sf busybox "$tree/bin/sh"
    cp "$here/guest-init" "$tree/init"
    chmod 755 "$tree/init"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' >"$tree/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$tree/etc/group"
    printf '127.0.0.1 localhost vm\n' >"$tree/etc/hosts"
}

busybox_path() {
    dpkg -L busybox-static 2>/dev/null | grep -m 1 -E '/bin/busybox$'
}

# Packs a tree. $1: the tree; $2: the file to write.
pack() {
    (cd "$1" && find . -print0 | cpio --null --create --format=newc --owner=0:0 --quiet) | gzip -1 >"$2"
}

# Boots, waits for the end, and leaves console, output and code in a directory. $1: kernel; $2: initramfs;
# $3: directory; $4: seconds. Returns 0 when the command in the guest ran to its end, whatever its code.
boot() {
    local kernel=$1 initramfs=$2 out=$3 seconds=$4
    mkdir -p "$out"
    rm -f "$out"/{console,output,code}
    # One virtual CPU and thread=single: more of either crashed newer kernels while they patched their own code.
    timeout --kill-after=10 "$seconds" qemu-system-x86_64 \
        -accel tcg,thread=single -cpu max -smp 1 -m "${VM_MEMORY:-2048}" \
        -nodefaults -no-user-config -display none -no-reboot \
        -serial "file:$out/console" -serial "file:$out/output" -serial "file:$out/code" \
        -kernel "$kernel" -initrd "$initramfs" \
        -append "console=ttyS0 quiet panic=-1 8250.nr_uarts=4" </dev/null >"$out/qemu" 2>&1
    local status=$?
    ((status == 0)) || echo "qemu ended with $status (124 is the limit of $seconds s)" >>"$out/qemu"
    [[ -s $out/code ]]
}
