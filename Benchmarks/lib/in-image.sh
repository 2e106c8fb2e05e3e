# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A benchmark on a machine with unified cgroups and systemd: an image of Tests/vm/run-systemd, emulated. Sourced by the in-image of
# benchmarks that have one, with `checkout` set.

# shellcheck source=deploy/lib/prerequisites.sh
source "${checkout:?}/deploy/lib/prerequisites.sh"
# shellcheck source=deploy/lib/product.sh
source "$checkout/deploy/lib/product.sh"
here=$checkout/Tests/vm
cache=${VM_CACHE:-$checkout/.cache/vm}
# shellcheck source=Tests/vm/machine.sh
source "$here/machine.sh"
# shellcheck source=Tests/vm/image.sh
source "$here/image.sh"

# The programs, the benchmark, and what starts it. $1: the benchmark; $2: the file to write; the rest: options of the benchmark.
# What is in $work/tree already comes along, and is in /payload there.
make_benchmark_payload() {
    local benchmark=$1 tree=$work/tree file=$2
    shift 2
    mkdir -p "$tree/checkout/Tests"
    stage_programs "$(built_programs)" "$tree"
    cp -r "$checkout/Benchmarks" "$tree/checkout/"
    cp -r "$checkout/Tests/e2e" "$tree/checkout/Tests/"
    cat >"$tree/run" <<TEXT
#!/bin/sh
ln -s /payload/usr/lib/mini-paas /usr/lib/mini-paas
export E2E_SLOWNESS=8 PAAS_BINARIES=/usr/lib/mini-paas PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
exec /usr/bin/python3 /payload/checkout/Benchmarks/$benchmark/run ${*@Q}
TEXT
    chmod 755 "$tree/run"
    make_file_system "$tree" "$file" 16
}

# Builds the image the first time. Time in the machine is counted in instructions, two nanoseconds each. $1: the benchmark; $2: Debian's
# release; $3: packages beside those that every image has; the rest: options of the benchmark. Needs `work`, a directory; `disk`, such
# as 10G, makes the machine's disk larger.
run_in_image() {
    local benchmark=$1 release=$2 more=$3 kernel image out=$work/out
    shift 3
    ((EUID == 0)) || die "building an image needs root"
    require_packages qemu-system-x86 mmdebstrap e2fsprogs patchelf
    kernel=$(fetch_kernel "${image_kernel[$release]}") || die "no package ${image_kernel[$release]}, or it could not be fetched"
    image=$(debian_image "$release" "$more") ||
        die "the packages for $release cannot be had: $(tail -n 3 "$cache/images/$release,$more.log")"
    make_benchmark_payload "$benchmark" "$work/payload" "$@"
    cp --sparse=always "$image" "$work/image"
    if [[ -n ${disk:-} ]]; then
        truncate -s "$disk" "$work/image"
        /sbin/resize2fs "$work/image" >"$work/resize" 2>&1 || die "the image cannot be made larger: $(<"$work/resize")"
    fi
    say "Booting $release"
    VM_MEMORY=${VM_MEMORY:-3072} boot_image "$kernel/vmlinuz" "$work/image" "$work/payload" "$benchmark" "$out" 7200 \
        -icount shift=1,sleep=off || {
        cat "$out"/{output,console,qemu} 2>/dev/null || true
        die "the machine did not come to the end of the benchmark"
    }
    cat "$out/output"
    exit "$(tr -d '[:space:]' <"$out/code")"
}
