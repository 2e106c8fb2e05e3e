// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Stands before the TLS handler: has the bytes of the handshake read, and gives it the time that a request's head has.
final class HandshakeGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let timeout: Duration
    private var isHandshaking = true
    private var deadline: Scheduled<Void>?

    init(timeout: Duration) { self.timeout = timeout }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
            channel.close(mode: .all, promise: nil)
        }
        context.read()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if isHandshaking { context.read() }
    }

    /// The handshake is over: whoever comes next reads for itself.
    func handshakeCompleted() {
        isHandshaking = false
        deadline?.cancel()
        deadline = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        handshakeCompleted()
        context.fireChannelInactive()
    }
}
