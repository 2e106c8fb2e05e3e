// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The last handler of a ``SocketChannel`` as a ``Transport``: behind TLS.
final class ChannelTransport: ChannelInboundHandler, Transport {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var user: (any TransportUser)?
    private var context: ChannelHandlerContext?
    private var outgoing = OutgoingBytes()
    private var failure: (any Error)?

    init(user: any TransportUser) { self.user = user }

    // MARK: - For the user

    var isWritable: Bool { context?.channel.isWritable ?? false }

    /// Such a channel tells of it as soon as it knows.
    var hasEnded: Bool { context == nil }

    func compose(_ body: (inout ByteBuffer) -> Void) {
        guard let context else { return }
        var bytes = context.channel.allocator.buffer(capacity: 1_024)
        body(&bytes)
        write(bytes)
    }

    func write(_ bytes: ByteBuffer) {
        outgoing.add(bytes) { context?.write(wrapOutboundOut($0), promise: nil) }
    }

    func flush() {
        outgoing.drain { context?.write(wrapOutboundOut($0), promise: nil) }
        context?.flush()
    }

    func read() { context?.read() }

    /// Without the farewell of TLS, which would make what is cut look complete, and wait for the client's.
    func close() { context?.socketChannel?.cut() }

    func resetOnClose() { context?.socketChannel?.resetOnClose() }

    func finishOutput() {
        guard let context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        // It fails when the end went out before.
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in user?.outputFinished() }
        flush()
        context.close(mode: .output, promise: promise)
    }

    func closeAfterFlush() {
        guard let context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in
            self.context?.socketChannel?.endsAsOne = true
            self.context?.close(mode: .all, promise: nil)
        }
        flush()
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    // MARK: - For the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // After a TLS handshake the channel has long been active.
        if context.channel.isActive { user?.opened(self) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { user?.received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) {
        user?.receiveCompleted()
        // The TLS handler decrypts into the same memory again when nobody has any of it.
        user?.keepInput()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if isWritable { user?.becameWritable() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: user?.inputClosed()
        case is InputEnding: user?.inputEnding()
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = error
        close()
    }

    func channelInactive(context: ChannelHandlerContext) { end() }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    private func end() {
        context = nil
        let user = user
        self.user = nil
        user?.closed(failure)
    }
}
