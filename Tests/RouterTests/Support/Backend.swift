// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOPosix
import Synchronization

@testable import Router

/// An app for tests: a listening socket, and a script that is run for each connection (counted from 1).
final class Backend: Sendable {
    private let server: any Channel
    private let accepted = Mutex(0)
    let port: Int

    var acceptedConnections: Int { accepted.withLock { $0 } }

    init(script: @escaping @Sendable (Wire, Int) async throws -> Void) async throws {
        let (stream, continuation) = AsyncStream<Wire>.makeStream()
        server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(WireHandler())
                    continuation.yield(try Wire.adopt(channel))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = server.localAddress?.port ?? 0
        server.closeFuture.whenComplete { _ in continuation.finish() }
        Task { [weak self] in
            for await wire in stream {
                guard let number = self?.count() else { break }
                // A script ends by an error when the router closes under it; what the router did is what is tested.
                Task {
                    try? await script(wire, number)
                    await wire.close()
                }
            }
        }
    }

    deinit { server.close(promise: nil) }

    func stop() async throws { try await server.close() }

    /// An app that accepts no connection. The port stays its own, or another test's app might get it.
    static func refusing() throws -> RefusedPort { try RefusedPort() }

    func upstream(_ id: String = "i-test") -> Upstream { Upstream(id: id, host: "127.0.0.1", port: port) }

    private func count() -> Int {
        accepted.withLock {
            $0 += 1
            return $0
        }
    }

    /// An app that answers every request with the request's own text (head, and body by Content-Length).
    static func echo() async throws -> Backend {
        try await Backend { wire, _ in
            while true {
                let request = try await wire.receiveMessage()
                try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(request.utf8.count)\r\n\r\n\(request)")
            }
        }
    }

    /// An app that reads one head on each connection, answers with fixed bytes and closes.
    static func fixed(_ answer: String) async throws -> Backend {
        try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send(answer)
        }
    }
}

/// A port of 127.0.0.1 on which nobody listens, kept from others.
final class RefusedPort: Sendable {
    private let descriptor: CInt
    let port: Int

    init() throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { [descriptor] pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw IOError(errnoCode: errno, reason: "bind")
        }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }

    func upstream(_ id: String = "i-test") -> Upstream { Upstream(id: id, host: "127.0.0.1", port: port) }
}
