// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What an app sees of the host: programs and libraries, and the few files of `/etc` that they cannot do without.
///
/// Everything else of the host is not in the view at all: no `/root`, `/home`, `/var`, `/run`, `/sys`, `/boot`.
struct SystemView: Sendable {
    /// Directories that a distribution may have as links into `/usr`.
    private static let programDirectories = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]

    /// Files and directories of `/etc` without secrets. Nothing of it names users, services or keys of the host.
    private static let configuration = [
        "alternatives", "ca-certificates", "ca-certificates.conf", "debian_version", "gai.conf", "host.conf",
        "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "locale.conf", "localtime", "magic", "mime.types",
        "networks", "os-release", "pki/ca-trust/extracted", "pki/tls/certs", "protocols", "resolv.conf", "rpc",
        "services", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
    ]

    /// Directories of `/etc` that language runtimes read at start; their names carry versions.
    private static let runtimePrefixes = ["java-", "perl", "python3"]

    /// The mounts, in order.
    let mounts: [Mount]

    /// Looks at the host's root directory.
    ///
    /// - Parameter hidden: host directories of which nothing may be seen, even below `/usr` or `/opt`.
    init(hiding hidden: [String]) {
        var mounts: [Mount] = [
            .bind(source: "/usr", target: "/usr", options: [.readOnly, .recursive]),
            .bind(source: "/opt", target: "/opt", options: [.readOnly, .recursive, .optional]),
        ]
        for name in Self.programDirectories {
            if let text = Self.linkText(of: "/\(name)") {
                mounts.append(.symbolicLink(target: "/\(name)", text: text))
            } else {
                mounts.append(
                    .bind(source: "/\(name)", target: "/\(name)", options: [.readOnly, .recursive, .optional]))
            }
        }
        let runtimes = Self.names(inDirectory: "/etc").filter { name in
            Self.runtimePrefixes.contains { name.hasPrefix($0) }
        }
        for name in Self.configuration + runtimes.sorted().prefix(16) {
            mounts.append(
                .bind(source: "/etc/\(name)", target: "/etc/\(name)", options: [.readOnly, .noExecution, .optional]))
        }
        for path in hidden {
            // The path without links, because a mask is put where the directory really is. One that does not exist
            // yet cannot be hidden: the agent makes its directories before it makes a planner.
            guard let real = Self.realPath(of: path), Self.isShown(real) else { continue }
            mounts.append(.mask(target: real))
        }
        self.mounts = mounts
    }

    private static func isShown(_ path: String) -> Bool {
        (["usr", "opt"] + programDirectories).contains { path == "/\($0)" || path.hasPrefix("/\($0)/") }
    }

    private static func linkText(of path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 256)
        let length = readlink(path, &buffer, buffer.count)
        return length > 0 ? String(decoding: buffer[..<length], as: UTF8.self) : nil
    }

    private static func realPath(of path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func names(inDirectory path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}
