// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Two Unix stream sockets that are connected to each other (socketpair(2)), close-on-exec, for two other programs: each
/// learns by it when the other has gone.
public struct SocketPair: ~Copyable, Sendable {
    /// One end.
    public let first: OwnedDescriptor
    /// The other.
    public let second: OwnedDescriptor

    /// Makes a pair.
    ///
    /// - Throws: `SystemError` (EMFILE, ENFILE).
    public init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw SystemError(operation: "socketpair", errno: errno)
        }
        first = OwnedDescriptor(adopting: ends[0])
        second = OwnedDescriptor(adopting: ends[1])
    }
}
