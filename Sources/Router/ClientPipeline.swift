// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP2
import NIOSSL
import NIOTLS

/// Puts the handlers of an accepted connection together.
struct ClientPipeline {
    let loop: RouterLoop
    let client: Client

    /// On the connection's event loop, before it is active.
    func configure(_ channel: any Channel, tls: RouterTLS?) throws {
        let pipeline = channel.pipeline.syncOperations
        channel.closeFuture.whenComplete { [limiter = loop.limiter, client] _ in limiter.remove(client.address) }
        guard let tls else { return try pipeline.addHandler(FrontConnection(loop: loop, client: client)) }
        let guardian = HandshakeGuard(timeout: loop.configuration.headTimeout)
        try pipeline.addHandler(guardian)
        try pipeline.addHandler(try tls.makeHandler())
        let negotiation = ApplicationProtocolNegotiationHandler { result, channel in
            // On the connection's event loop, as everything here.
            channel.eventLoop.makeCompletedFuture {
                guardian.handshakeCompleted()
                if case .negotiated("h2") = result {
                    try configureHTTP2(channel)
                } else {
                    try channel.pipeline.syncOperations.addHandler(FrontConnection(loop: loop, client: client))
                }
            }
        }
        try pipeline.addHandler(negotiation)
    }

    private func configureHTTP2(_ channel: any Channel) throws {
        let configuration = loop.configuration
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: configuration.limits.streamsPerConnection),
            HTTP2Setting(parameter: .maxHeaderListSize, value: configuration.limits.requestHeadBytes),
            HTTP2Setting(parameter: .initialWindowSize, value: Self.streamWindow),
        ]
        connection.targetWindowSize = Self.connectionWindow
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = Self.streamWindow
        stream.outboundBufferSizeHighWatermark = 64 << 10
        stream.outboundBufferSizeLowWatermark = 32 << 10
        let management = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: channel.eventLoop,
            configuration: .init(
                maxIdleTime: TimeAmount(configuration.idleTimeout), maxAge: nil, maxGraceTime: nil, keepalive: nil))
        let bound = NIOLoopBound((loop, client), eventLoop: channel.eventLoop)
        let pipeline = channel.pipeline.syncOperations
        _ = try pipeline.configureHTTP2Pipeline(
            mode: .server, connectionConfiguration: connection, streamConfiguration: stream,
            streamDelegate: management.http2StreamDelegate
        ) { channel in
            channel.eventLoop.makeCompletedFuture {
                let (loop, client) = bound.value
                try channel.syncOptions?.setOption(.autoRead, value: false)
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(HTTP2Stream(limits: loop.configuration.limits))
                try pipeline.addHandler(FrontConnection(loop: loop, client: client))
            }
        }
        try pipeline.addHandler(management)
        // The channel was active before the handler came, and only this starts the time for idle connections.
        management.channelActive(context: try pipeline.context(handler: management))
        try pipeline.addHandler(HTTP2Connection(loop: loop))
        // Streams have windows of their own, so that reading the connection itself never piles anything up.
        try channel.syncOptions?.setOption(.autoRead, value: true)
    }

    /// What a client may send of one body before the app has taken any of it.
    private static let streamWindow = 256 << 10
    /// The same for all streams of a connection.
    private static let connectionWindow = 1 << 20
}

/// Ends an HTTP/2 connection with the router: what runs goes on, and nothing new begins.
final class HTTP2Connection: ChannelInboundHandler, LoopConnection {
    /// GOAWAY tells the client what will not be answered (RFC 9113, section 6.8).
    let isNew = false
    typealias InboundIn = HTTP2Frame

    private let loop: RouterLoop
    private var context: ChannelHandlerContext?

    init(loop: RouterLoop) { self.loop = loop }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
        if loop.isShuttingDown { willShutDown() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        loop.remove(self)
    }

    /// The streams do it.
    func closeWhenIdle() {}

    func cut() { context?.close(mode: .all, promise: nil) }

    /// GOAWAY, and the end when the last stream is over: the management handler does it.
    func willShutDown() {
        context?.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An error of one stream has ended that stream already.
        if error is NIOHTTP2Errors.StreamError { return }
        context.close(mode: .all, promise: nil)
    }
}
