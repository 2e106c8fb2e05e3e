// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import PaaSModel

/// Prepares the directories and the socket path of a home.
public enum HomeDirectories {
    /// Longest path of a Unix socket on Linux (unix(7)), without the terminating NUL.
    static let maxSocketPath = 107

    /// Creates what is missing: the root, `paasd/` and the sockets' directory, the last two for this user alone.
    ///
    /// - Throws: `StartupError`.
    public static func prepare(_ home: PaaSHome) throws(StartupError) {
        try create(home.root, mode: 0o755)
        try createPrivate(home.root + "/paasd")
        try createPrivate(home.runDirectory)
        guard home.apiSocket.utf8.count <= maxSocketPath else {
            throw StartupError(
                "the socket path \(home.apiSocket) is longer than \(maxSocketPath) bytes; choose a shorter --home")
        }
    }

    /// Removes a socket that a dead process left; refuses when somebody answers on it.
    ///
    /// - Throws: `StartupError`.
    public static func clearStaleSocket(_ path: String) throws(StartupError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw StartupError("\(path) is in the way: it is not a socket; remove it")
        }
        guard !isAnswered(path) else {
            throw StartupError("another process answers on \(path); stop it, or choose another --home")
        }
        guard unlink(path) == 0 || errno == ENOENT else {
            throw StartupError("cannot remove the stale socket \(path): \(String(cString: strerror(errno)))")
        }
    }

    private static func isAnswered(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count <= maxSocketPath else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private static func createPrivate(_ path: String) throws(StartupError) {
        try create(path, mode: 0o700)
        guard chmod(path, 0o700) == 0 else {
            throw StartupError("\(path) is not this user's directory; choose another --home")
        }
    }

    /// mkdir -p.
    private static func create(_ path: String, mode: mode_t) throws(StartupError) {
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw StartupError("\(path) is not a directory; remove it, or choose another --home")
            }
            return
        }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try create(String(path[..<slash]), mode: 0o755)
        }
        guard mkdir(path, mode) == 0 || errno == EEXIST else {
            throw StartupError("cannot create \(path): \(String(cString: strerror(errno))); choose another --home")
        }
        // The umask may have taken bits away that the agent needs to pass through.
        chmod(path, mode)
    }
}
