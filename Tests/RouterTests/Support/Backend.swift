// SPDX-License-Identifier: Apache-2.0

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
