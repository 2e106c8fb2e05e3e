// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Stands before the TLS handler: has the bytes of the handshake read, gives it the time that a request's head has, and is known
/// to the router as a connection until there is one.
final class HandshakeGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let loop: RouterLoop
    private let timer: DeadlineTimer
    private var context: ChannelHandlerContext?

    init(loop: RouterLoop) {
        self.loop = loop
        timer = DeadlineTimer(thread: loop.thread)
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
        timer.onExpiry = { [unowned self] in cut() }
        timer.set(loop.configuration.headTimeout)
        context.fireChannelActive()
        context.read()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if self.context != nil { context.read() }
    }

    /// The handshake is over: whoever comes next reads, and is a connection, for itself.
    func end() {
        guard context != nil else { return }
        context = nil
        timer.cancel()
        loop.remove(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }
}

extension HandshakeGuard: LoopConnection {
    var isNew: Bool { true }

    func closeWhenIdle() { cut() }

    func cut() { context?.socketChannel?.cut() }

    func willShutDown() {}
}
