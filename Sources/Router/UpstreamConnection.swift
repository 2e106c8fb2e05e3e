// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The one who uses a connection to an app at the moment. Called on the event loop.
protocol UpstreamSide: AnyObject {
    /// Bytes were added to ``UpstreamConnection/input``.
    func upstreamReadable()
    /// No more bytes come for now: flush what was made of them, and ask for more when it is wanted.
    func upstreamReadComplete()
    /// The connection takes bytes again.
    func upstreamWritable()
    /// The app has finished sending.
    func upstreamInputClosed()
    /// The connection is closed; the error is nil for an orderly close.
    func upstreamGone(_ error: (any Error)?)
}

/// A connection to an app: bytes in, bytes out, and nothing read that was not asked for.
final class UpstreamConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The instance at the other end.
    let upstream: Upstream
    /// Bytes that nobody has taken yet.
    var input = ByteBuffer()
    /// Who uses the connection; nil while it is idle or on its way to be closed.
    var owner: (any UpstreamSide)?
    /// Has carried a request before, so the app may have closed it in the meantime.
    private(set) var isReused = false
    /// When the last request was over.
    private(set) var idleSince = NIODeadline.uptimeNanoseconds(0)
    /// Where it lies while idle; nil otherwise.
    var pool: UpstreamPool?
    private var context: ChannelHandlerContext?
    private var outgoing = OutgoingBytes()
    private var isInputClosed = false
    private var isClosing = false
    private var failure: (any Error)?

    init(upstream: Upstream) {
        self.upstream = upstream
    }

    /// Still open in both directions.
    var isUsable: Bool { context != nil && !isInputClosed }
    /// Takes bytes without piling them up.
    var isWritable: Bool { context?.channel.isWritable ?? false }

    func write(_ buffer: ByteBuffer) {
        outgoing.add(buffer) { context?.write(wrapOutboundOut($0), promise: nil) }
    }

    func flush() {
        outgoing.drain { context?.write(wrapOutboundOut($0), promise: nil) }
        context?.flush()
    }

    func read() { context?.read() }

    /// Closes at once. The owner is not told.
    func close() {
        owner = nil
        context?.close(mode: .all, promise: nil)
    }

    /// Sends what was written, then the end of the stream.
    func finishOutput() {
        flush()
        context?.close(mode: .output, promise: nil)
    }

    /// Sends what was written, then closes. The owner is not told.
    func closeAfterFlush() {
        owner = nil
        isClosing = true
        guard let context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in self.close() }
        flush()
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    /// Waits in the pool. Bytes or an end from the app now mean that the connection is of no use any more.
    func becomeIdle(at time: NIODeadline) {
        owner = nil
        isReused = true
        idleSince = time
        read()
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let owner else {
            // An idle connection has nothing to say; what comes after a close was wanted is of no interest.
            if !isClosing { close() }
            return
        }
        input.append(unwrapInboundIn(data))
        owner.upstreamReadable()
    }

    func channelReadComplete(context: ChannelHandlerContext) { owner?.upstreamReadComplete() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if isWritable { owner?.upstreamWritable() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return }
        isInputClosed = true
        if let owner { owner.upstreamInputClosed() } else if !isClosing { close() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = error
        context.close(mode: .all, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        pool?.remove(self)
        let owner = owner
        self.owner = nil
        owner?.upstreamGone(failure)
    }
}

extension ByteBuffer {
    /// Adds bytes, without copying when there were none.
    mutating func append(_ other: ByteBuffer) {
        if readableBytes == 0 {
            self = other
        } else {
            writeImmutableBuffer(other)
        }
    }
}
