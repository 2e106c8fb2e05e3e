# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a machine must have before anything here can be built. Sourced by deploy/build, deploy/quickstart and Tests/run.

# Debian packages that building and running need, beside a Swift toolchain of 6.1 or later. The second line is what
# the toolchain itself needs from Debian.
build_packages=(ca-certificates curl git libpcre2-dev libseccomp-dev libsqlite3-dev libzstd-dev pkg-config python3 tar
    binutils gcc libc6-dev libncurses6 libxml2 zlib1g-dev)

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Prints those of the given packages that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
    done
}

# Installs what is missing of the given packages when root; otherwise names it and ends.
require_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        say "This is not a Debian system, so packages are not checked. Needed: $*"
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || return 0
    if ((EUID != 0)); then
        die "these Debian packages are missing: ${missing[*]}
    Install them as root, then run this again:
    apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "Installing Debian packages: ${missing[*]}"
    install_packages "${missing[@]}" || die "apt-get could not install ${missing[*]}; its message stands above"
}

# Installs packages as root, reading the package lists first where that is needed.
install_packages() {
    local options=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=300)
    DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "$@" >/dev/null 2>&1 </dev/null && return 0
    apt-get update -q </dev/null >/dev/null || return 1
    DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "$@" </dev/null >/dev/null
}

# The C++ library's headers carry the compiler's version in their package's name.
cxx_headers_package() {
    local major
    major=$(gcc -dumpversion 2>/dev/null | cut -d. -f1)
    say "libstdc++-${major:-12}-dev"
}

require_linux() {
    [[ $(uname -s) == Linux ]] || die "Mini PaaS runs on Linux only (cgroups, pidfds, namespaces); this is $(uname -s)"
}

# Ends with a message unless `swift` is there and at least 6.1.
require_swift() {
    local version
    command -v swift >/dev/null || die "there is no 'swift' in PATH. Mini PaaS needs Swift 6.1 or later:
    https://www.swift.org/install/linux/ (swiftly, or a tarball for Debian 12). Then run this again."
    version=$(swift --version 2>&1) || die "'swift --version' failed:
    ${version//$'\n'/$'\n'    }"
    [[ $version =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]] || die "cannot read a version from 'swift --version': $version"
    ((BASH_REMATCH[1] > 6 || (BASH_REMATCH[1] == 6 && BASH_REMATCH[2] >= 1))) ||
        die "Swift ${BASH_REMATCH[1]}.${BASH_REMATCH[2]} is too old; Mini PaaS needs 6.1 or later: https://www.swift.org/install/linux/"
}

# Everything that a build needs.
require_build_tools() {
    require_linux
    command -v swift >/dev/null || require_swift
    require_packages "${build_packages[@]}"
    require_packages "$(cxx_headers_package)"
    require_swift
}
