# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Building and booting the test machine: kernels from Debian packages, an initramfs from busybox and what a test
# adds, QEMU without KVM. Sourced by Tests/vm/run, which sets `cache`, a directory that is kept between runs.
# shellcheck disable=SC2154

# Runs apt-get or apt-cache, for a suite with lists of their own: the machine's sources may not name it, and stay as they
# are. $1: the suite, or nothing for the machine's sources; the rest: program and arguments.
with_suite() {
    local suite=$1 state=$cache/apt/$1
    shift
    if [[ -z $suite ]]; then
        "$@"
        return
    fi
    if [[ ! -f $state/apt.conf ]]; then
        mkdir -p "$state"/{lists/partial,archives/partial,parts}
        printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$(debian_mirror)" "$suite" \
            >"$state/sources.list"
        printf '%s "%s";\n' Dir::State "$state" Dir::State::Lists "$state/lists" Dir::Cache "$state" Dir::State::Status /dev/null \
            Dir::Etc::SourceList "$state/sources.list" Dir::Etc::SourceParts "$state/parts" Dir::Etc::Preferences /dev/null \
            Dir::Etc::PreferencesParts "$state/parts" APT::Sandbox::User root Acquire::Languages none >"$state/apt.conf.new"
        APT_CONFIG=$state/apt.conf.new apt-get -q update >&2 || return 1
        sed 's/\.new//' "$state/apt.conf.new" >"$state/apt.conf"
    fi
    APT_CONFIG=$state/apt.conf "$@"
}

# The mirror that this machine's own sources name, with a slash at its end.
debian_mirror() {
    local uri
    # shellcheck disable=SC2016 # apt-get fills it in.
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        grep -m 1 -E '/debian/$') || uri=http://deb.debian.org/debian/
    printf '%s' "$uri"
}

# Names of the packages that a package depends on. $1: suite, or nothing; $2: the package; $3: pattern.
dependencies() {
    with_suite "$1" apt-cache depends --no-suggests --no-recommends "$2" 2>/dev/null | sed -n "s/^ *Depends: \\($3\\)\$/\\1/p"
}

# Prints the directory of a kernel, fetching it first where it is not there yet: vmlinuz, the modules for network
# interfaces of programs and for loop devices in modules/VERSION, and the name of its package.
# $1: name of a Debian meta package, such as linux-image-cloud-amd64, with @SUITE where the machine's sources lack it.
fetch_kernel() {
    local meta=${1%@*} suite='' directory=$cache/kernels/$1 package part module
    [[ $1 != *@* ]] || suite=${1#*@}
    if [[ ! -f $directory/vmlinuz ]] || ! compgen -G "$directory/modules/*/loop.ko" >/dev/null; then
        package=$(dependencies "$suite" "$meta" 'linux-image-[0-9].*' | head -n 1)
        [[ -n $package ]] || return 1
        rm -rf "$directory.new" && mkdir -p "$directory.new/root"
        # Newer kernels come in several packages.
        while read -r part; do
            (cd "$directory.new" && with_suite "$suite" apt-get -q -o APT::Sandbox::User=root download "$part" >&2) || return 1
        done < <(echo "$package" && dependencies "$suite" "$package" 'linux-\(binary\|modules\)-[0-9].*')
        for part in "$directory.new"/*.deb; do
            dpkg-deb --fsys-tarfile "$part" | tar -x -C "$directory.new/root" --wildcards --no-anchored \
                'vmlinuz*' 'drivers/net/tun.ko*' 'drivers/net/veth.ko*' 'drivers/block/loop.ko*' 2>/dev/null || true
        done
        find "$directory.new/root" -name 'vmlinuz*' -exec mv {} "$directory.new/vmlinuz" \;
        [[ -f $directory.new/vmlinuz ]] || return 1
        mkdir -p "$directory.new/modules/${package#linux-image-}"
        while read -r module; do
            mv "$module" "$directory.new/modules/${package#linux-image-}/"
        done < <(find "$directory.new/root" -name '*.ko*')
        find "$directory.new/modules" -name '*.xz' -exec xz --decompress {} +
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
    mkdir -p "$out/modules/vm"
    rm -f "$out"/{console,output,code,scratch}
    # The one module that tests need is laid over the machine's tree.
    cp "${kernel%/*}"/modules/*/loop.ko "$out/modules/vm/"
    pack "$out/modules" "$out/modules.initramfs"
    cat "$initramfs" "$out/modules.initramfs" >"$out/initramfs"
    # A disk for what must not be memory: limits of disk traffic. NVMe and ext4 are built into Debian's cloud kernels.
    truncate -s 64M "$out/scratch"
    /sbin/mke2fs -q -t ext4 "$out/scratch"
    # One virtual CPU and thread=single: more of either crashed newer kernels while they patched their own code.
    timeout --kill-after=10 "$seconds" qemu-system-x86_64 \
        -accel tcg,thread=single -cpu max -smp 1 -m "${VM_MEMORY:-2048}" \
        -nodefaults -no-user-config -display none -no-reboot \
        -drive "if=none,id=scratch,format=raw,cache=unsafe,file=$out/scratch" -device nvme,drive=scratch,serial=scratch \
        -serial "file:$out/console" -serial "file:$out/output" -serial "file:$out/code" \
        -kernel "$kernel" -initrd "$out/initramfs" \
        -append "console=ttyS0 quiet panic=-1 8250.nr_uarts=4" </dev/null >"$out/qemu" 2>&1
    local status=$?
    ((status == 0)) || echo "qemu ended with $status (124 is the limit of $seconds s)" >>"$out/qemu"
    [[ -s $out/code ]]
}
