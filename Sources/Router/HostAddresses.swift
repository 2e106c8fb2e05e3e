// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOPosix

/// The addresses that a host name stands for.
enum HostAddresses {
    /// The name stands for no address.
    struct Unknown: Error {}

    /// Asks the system's resolver, on a thread that may wait.
    ///
    /// - Returns: succeeds with at least one, in the order in which they should be tried (RFC 6724).
    static func find(_ host: String, port: Int, on eventLoop: any EventLoop) -> EventLoopFuture<[SocketAddress]> {
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) {
            let found = resolve(host, port: port)
            guard !found.isEmpty else { throw Unknown() }
            return found
        }
    }

    private static func resolve(_ host: String, port: Int) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0 else { return [] }
        defer { if let list { freeaddrinfo(list) } }
        var found: [SocketAddress] = []
        var next = list
        while let info = next?.pointee {
            next = info.ai_next
            guard let address = info.ai_addr.map(UnsafeRawPointer.init) else { continue }
            switch info.ai_family {
            case AF_INET: found.append(SocketAddress(address.loadUnaligned(as: sockaddr_in.self)))
            case AF_INET6: found.append(SocketAddress(address.loadUnaligned(as: sockaddr_in6.self)))
            default: continue
            }
        }
        return found
    }
}
