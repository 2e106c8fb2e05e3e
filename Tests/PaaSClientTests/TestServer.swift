// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix

/// A small HTTP server on a Unix socket or a loopback port, for one test.
struct TestServer: Sendable {
    /// A whole request.
    struct Request: Sendable {
        let method: HTTPMethod
        let uri: String
        let headers: HTTPHeaders
        let body: [UInt8]
    }

    /// What to answer.
    enum Reply: Sendable {
        /// An answer with its Content-Length.
        case whole(HTTPResponseStatus, String, type: String = "application/json")
        /// Chunks as they come; the answer ends with the stream.
        case chunks(AsyncStream<String>)
        /// Chunks as they come; at the end of the stream the connection is cut without an end of the answer.
        case cut(AsyncStream<String>)
    }

    /// Where it listens: a port, or nil for a Unix socket.
    let port: Int?

    /// Runs a body beside a server.
    ///
    /// - Parameters:
    ///   - socket: path of a Unix socket; nil takes a loopback port.
    ///   - closed: called when a connection has ended.
    static func run(
        socket: String? = nil, closed: @escaping @Sendable () -> Void = {},
        answering answer: @escaping @Sendable (Request) async -> Reply,
        _ body: @Sendable (TestServer) async throws -> Void
    ) async throws {
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        let initializer: @Sendable (any Channel) -> EventLoopFuture<Connection> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                return try Connection(wrappingChannelSynchronously: channel)
            }
        }
        let server =
            if let socket {
                try await bootstrap.bind(unixDomainSocketPath: socket, childChannelInitializer: initializer)
            } else {
                try await bootstrap.bind(host: "127.0.0.1", port: 0, childChannelInitializer: initializer)
            }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withThrowingDiscardingTaskGroup { connections in
                    try await server.executeThenClose { inbound in
                        for try await connection in inbound {
                            connections.addTask {
                                try? await serve(connection, answer)
                                closed()
                            }
                        }
                    }
                }
            }
            let result: Result<Void, any Error>
            do {
                try await body(TestServer(port: server.channel.localAddress?.port))
                result = .success(())
            } catch {
                result = .failure(error)
            }
            group.cancelAll()
            try result.get()
        }
    }

    private typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    private static func serve(
        _ connection: Connection, _ answer: @Sendable (Request) async -> Reply
    ) async throws {
        try await connection.executeThenClose { inbound, outbound in
            var head: HTTPRequestHead?
            var body: [UInt8] = []
            for try await part in inbound {
                switch part {
                case .head(let received):
                    head = received
                    body = []
                case .body(let bytes): body += bytes.readableBytesView
                case .end:
                    guard let head else { return }
                    let request = Request(method: head.method, uri: head.uri, headers: head.headers, body: body)
                    guard try await write(await answer(request), outbound, connection.channel) else { return }
                }
            }
        }
    }

    /// Returns whether the connection goes on.
    private static func write(
        _ reply: Reply, _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>, _ channel: any Channel
    ) async throws -> Bool {
        switch reply {
        case .whole(let status, let text, let type):
            let headers: HTTPHeaders = ["content-length": "\(text.utf8.count)", "content-type": type]
            try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers)))
            try await outbound.write(.body(.byteBuffer(ByteBuffer(string: text))))
            try await outbound.write(.end(nil))
            return true
        case .chunks(let chunks):
            let headers: HTTPHeaders = ["transfer-encoding": "chunked", "content-type": "application/x-ndjson"]
            try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)))
            // Notices that the client has gone while there is nothing to write.
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await chunk in chunks {
                        try await outbound.write(.body(.byteBuffer(ByteBuffer(string: chunk))))
                    }
                    try await outbound.write(.end(nil))
                }
                group.addTask { try await channel.closeFuture.get() }
                _ = try await group.next()
                group.cancelAll()
            }
            return false
        case .cut(let chunks):
            let headers: HTTPHeaders = ["transfer-encoding": "chunked", "content-type": "application/x-ndjson"]
            try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)))
            for await chunk in chunks { try await outbound.write(.body(.byteBuffer(ByteBuffer(string: chunk)))) }
            return false
        }
    }
}
