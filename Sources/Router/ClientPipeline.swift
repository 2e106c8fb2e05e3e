// SPDX-License-Identifier: Apache-2.0

import LinuxSystem
import NIOCore
import NIOSSL
import NIOTLS

/// Puts the handlers of an accepted connection with TLS together.
struct ClientPipeline {
    let loop: RouterLoop
    let thread: SocketLoop
    let client: Client

    /// Begins with the handshake. On the connection's loop.
    ///
    /// - Throws: when it cannot begin; then the connection was not counted off, and the socket is the caller's to close.
    func open(_ socket: StreamSocket, tls: RouterTLS) throws {
        let channel = SocketChannel(loop: thread)
        do {
            try configure(channel, tls: tls)
            try channel.open(socket)
        } catch {
            channel.abandon()
            throw error
        }
        channel.closeFuture.whenComplete { [limiter = loop.limiter, client] _ in limiter.remove(client.address) }
    }

    private func configure(_ channel: SocketChannel, tls: RouterTLS) throws {
        let pipeline = channel.pipeline.syncOperations
        let guardian = HandshakeGuard(loop: loop)
        try pipeline.addHandler(guardian)
        try pipeline.addHandler(try tls.makeHandler())
        let negotiation = ApplicationProtocolNegotiationHandler { [loop, client] result, channel in
            channel.eventLoop.makeCompletedFuture {
                let user: any TransportUser =
                    if case .negotiated("h2") = result {
                        HTTP2Connection(loop: loop, client: client)
                    } else {
                        FrontConnection(loop: loop, client: client)
                    }
                try channel.pipeline.syncOperations.addHandler(ChannelTransport(user: user))
                guardian.end()
            }
        }
        try pipeline.addHandler(negotiation)
    }
}
