// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes
internal import PaaSModel

/// Bounds what a client makes of the body of a request: how slowly it may come, and how much of it is still read once the answer is there.
///
/// Hummingbird ends a connection that is silent. A byte now and then is no silence: such a body would hold its share of ``BodyBudget`` for
/// as long as it likes. And what follows a refusal is read to its end, however far that is, because the next request stands behind it.
/// Bodies that go on beside their answers (sessions) are free once that has begun.
final class RequestBodyGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// What the three bounds are.
    struct Limits: Sendable {
        /// Longest silence; a body that is slower than ``bytesPerSecond`` uses it up.
        var silence = Duration.seconds(60)
        var bytesPerSecond = 1_024
        /// What is read of a body that has been answered, and how long.
        var restBytes = 8 << 20
        var restTime = Duration.seconds(30)
    }

    private let limits: Limits
    private var patience: BodyPatience
    /// The body that comes at the moment belongs to the last of the requests that have begun.
    private var isReading = false
    private var begun = 0
    private var headsWritten = 0
    private var answered = 0
    private var restBytes = 0
    private var deadline: Scheduled<Void>?

    init(_ limits: Limits = Limits()) {
        self.limits = limits
        patience = BodyPatience(limits.silence, bytesPerSecond: limits.bytesPerSecond)
    }

    private var isWaitedFor: Bool { isReading && headsWritten < begun }
    private var isRest: Bool { isReading && answered == begun }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            begun += 1
            isReading = true
            restBytes = 0
            patience = BodyPatience(limits.silence, bytesPerSecond: limits.bytesPerSecond)
        case .body(let bytes):
            if isWaitedFor { patience.earn(bytes.readableBytes, at: context.eventLoop.now.uptimeNanoseconds) }
            if isRest {
                restBytes += bytes.readableBytes
                guard restBytes <= limits.restBytes else { return context.close(promise: nil) }
            }
        case .end:
            isReading = false
            setDeadline(nil, context)
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if isWaitedFor { setDeadline(patience.wait(at: context.eventLoop.now.uptimeNanoseconds), context) }
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = unwrapOutboundIn(data)
        if case .head(let head) = part, head.status.kind != .informational {
            headsWritten += 1
            // No `Connection: close`: AsyncHTTPClient would take an early answer with it for a broken connection.
            if isReading, headsWritten == begun { setDeadline(nil, context) }
        }
        context.write(data, promise: promise)
        if case .end = part {
            answered += 1
            if isRest { setDeadline(limits.restTime, context) }
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { setDeadline(nil, context) }

    func channelInactive(context: ChannelHandlerContext) {
        setDeadline(nil, context)
        context.fireChannelInactive()
    }

    private func setDeadline(_ time: Duration?, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = time.map { time in
            context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) { context.close(promise: nil) }
        }
    }
}
