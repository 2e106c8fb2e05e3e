# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Putting the built product into a tree: programs with the Swift runtime they need, units, settings, documents. Sourced
# by deploy/package and deploy/install after prerequisites.sh; they set `checkout`, and the places below where they
# are others.
# shellcheck disable=SC2154

prefix=/usr
settings_directory=/etc/mini-paas
state_directory=/var/lib/mini-paas
run_directory=/run/mini-paas
unit_directory=/usr/lib/systemd/system
# Where systemd puts the cgroup of paas-apps.service, and the apps below it.
cgroup_root=/sys/fs/cgroup/system.slice/paas-apps.service/paas.slice
units=(paas-apps.service paasd.service paas-agent.socket paas-agent.service)

# The version of the source tree, which the programs show with --version.
product_version() {
    sed -n 's/.*static let current = "\(.*\)".*/\1/p' "$checkout/Sources/PaaSModel/ProductVersion.swift"
}

# Prints the directory of the built programs: PAAS_BINARIES, or what deploy/build makes.
built_programs() {
    local directory=${PAAS_BINARIES:-} program
    if [[ -z $directory ]]; then
        "$checkout/deploy/build" >&2
        directory=$checkout/.build/release
    fi
    for program in paasd agent paas paas-init paas-attacks; do
        [[ -x $directory/$program ]] || die "there is no program $directory/$program; run deploy/build"
    done
    realpath "$directory"
}

# Fills in the places of a template. $1: the template; $2: the file to write.
fill_in() {
    sed -e "s|@LIBDIR@|$prefix/lib/mini-paas|g" -e "s|@DOCDIR@|$prefix/share/doc/mini-paas|g" \
        -e "s|@ETCDIR@|$settings_directory|g" -e "s|@STATEDIR@|$state_directory|g" \
        -e "s|@STATEPARENT@|${state_directory%/*}|g" -e "s|@RUNDIR@|$run_directory|g" \
        -e "s|@RUNPARENT@|${run_directory%/*}|g" -e "s|@CGROUPROOT@|$cgroup_root|g" \
        -e "s|@UNITS@|${units[*]}|g" "$1" >"$2"
    chmod 644 "$2"
}

# Prints the shared libraries of the given programs that come with the Swift toolchain.
swift_libraries() {
    ldd "$@" 2>/dev/null | sed -n 's|^.* => \(/[^ ]*/swift/linux/[^ ]*\) .*$|\1|p' | sort -u
}

# Programs, stripped, with the libraries of the Swift runtime beside them: where they run there is no toolchain.
# $1: directory of the built programs; $2: root of the tree.
stage_programs() {
    local from=$1 lib=$2$prefix/lib/mini-paas bin=$2$prefix/bin program library
    install -d "$lib" "$bin"
    for program in paasd agent paas paas-init paas-attacks; do install -m 755 "$from/$program" "$lib/$program"; done
    # A link, because 'paas doctor --sandbox' looks for paas-attacks beside the program itself.
    ln -s ../lib/mini-paas/paas "$bin/paas"
    while read -r library; do
        install -m 644 "$(realpath "$library")" "$lib/${library##*/}"
    done < <(swift_libraries "$from/paasd" "$from/agent" "$from/paas")
    # Before patchelf: what it has moved, strip would damage.
    strip --strip-unneeded "$lib"/*.so "$lib"/paasd "$lib"/agent "$lib"/paas "$lib"/paas-init "$lib"/paas-attacks
    for program in "$lib/paasd" "$lib/agent" "$lib/paas" "$lib"/*.so; do
        patchelf --set-rpath "$prefix/lib/mini-paas" "$program"
    done
    install -m 755 "$checkout/deploy/systemd/hold-cgroup" "$lib/hold-cgroup"
}

# Those of `units` that are there; a user's variant has fewer. $1: root of the tree; $2: directory of the templates.
stage_units() {
    local unit
    install -d "$1$unit_directory"
    for unit in "${units[@]}"; do
        [[ ! -f $2/$unit ]] || fill_in "$2/$unit" "$1$unit_directory/$unit"
    done
}

# The user of paasd, and who owns which directory. $1: root of the tree; $2: where sysusers.d and tmpfiles.d lie.
stage_owners() {
    install -d "$1$2/sysusers.d" "$1$2/tmpfiles.d"
    fill_in "$checkout/deploy/systemd/mini-paas.sysusers" "$1$2/sysusers.d/mini-paas.conf"
    fill_in "$checkout/deploy/systemd/mini-paas.tmpfiles" "$1$2/tmpfiles.d/mini-paas.conf"
}

# Completion for the shells that the argument parser writes it for. $1: the built `paas`; $2: root of the tree.
stage_completions() {
    local share=$2$prefix/share
    install -d "$share"/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
    # It is sourced, never run: no first line that names a shell.
    "$1" --generate-completion-script bash | sed '1{/^#!/d}' >"$share/bash-completion/completions/paas"
    "$1" --generate-completion-script zsh >"$share/zsh/vendor-completions/_paas"
    "$1" --generate-completion-script fish >"$share/fish/vendor_completions.d/paas.fish"
}

# Manual pages, made of what the programs say with --help. $1: directory of the built programs; $2: root of the tree.
stage_manual_pages() {
    local man=$2$prefix/share/man version date program name section
    version=$(product_version)
    date=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%F)
    install -d "$man/man1" "$man/man8"
    while read -r program name section; do
        "$1/$program" --experimental-dump-help |
            python3 "$checkout/deploy/lib/manual-page.py" "$name" "$section" "$version" "$date" |
            gzip -9n >"$man/man$section/$name.$section.gz"
    done <<<$'paas paas 1\npaasd paasd 8\nagent paas-agent 8'
}

# $1: root of the tree.
stage_settings() {
    install -d "$1$settings_directory"
    install -m 644 "$checkout"/deploy/systemd/{paasd,agent}.toml "$1$settings_directory/"
}

# $1: root of the tree.
stage_documents() {
    install -d "$1$prefix/share/doc/mini-paas"
    install -m 644 "$checkout"/docs/{operations,configuration}.md "$checkout/deploy/debian/copyright" \
        "$1$prefix/share/doc/mini-paas/"
}
