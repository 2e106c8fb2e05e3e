// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One side of a connection that is passed on, byte by byte, to its partner on the same event loop.
///
/// Each side is read only while the other takes bytes, so a connection needs no more memory than a few buffers. The end
/// of one direction is passed on as just that; a reset resets the other side, so that nobody takes a part for the whole.
final class ForwardHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var partner: ForwardHandler?
    private var context: ChannelHandlerContext?

    /// Makes the handlers of both sides.
    static func pair() -> (ForwardHandler, ForwardHandler) {
        let pair = (ForwardHandler(), ForwardHandler())
        pair.0.partner = pair.1
        pair.1.partner = pair.0
        return pair
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start() }
    }

    /// The channel is closed, perhaps before it was ever active.
    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        let other = partner
        partner = nil
        other?.closeAfterFlush()
    }

    func channelActive(context: ChannelHandlerContext) { start() }

    /// Begins once both sides are there.
    private func start() {
        guard let context, let other = partner?.context, context.channel.isActive, other.channel.isActive else {
            return
        }
        context.read()
        other.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner?.context?.write(wrapOutboundOut(unwrapInboundIn(data)), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard let other = partner?.context else { return }
        other.flush()
        if other.channel.isWritable { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.context?.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event, let other = partner?.context else { return }
        other.flush()
        other.close(mode: .output, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let other = partner
        partner = nil
        other?.reset()
        context.close(promise: nil)
    }

    /// Nothing comes from the partner any more; what it has sent is still delivered.
    private func closeAfterFlush() {
        partner = nil
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            self.context?.close(promise: nil)
        }
    }

    private func reset() {
        partner = nil
        guard let context else { return }
        context.channel.resetOnClose()
        context.close(promise: nil)
    }
}

extension Channel {
    /// Makes the next close a reset (RST) instead of an orderly end: SO_LINGER on, with a time of 0 (socket(7)).
    ///
    /// The pair of integers has the layout of `struct linger`, which NIO does not re-export.
    func resetOnClose() {
        guard let provider = self as? any SocketOptionProvider else { return }
        _ = provider.unsafeSetSocketOption(level: .socket, name: .so_linger, value: (Int32(1), Int32(0)))
    }
}
