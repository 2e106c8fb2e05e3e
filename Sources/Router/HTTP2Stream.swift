// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP2

/// Makes one HTTP/2 stream look like a connection that carries one HTTP/1.1 request: the head, the body and the answer
/// go through the same strict parsing, limits and rewriting as everything else.
final class HTTP2Stream: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let limits: RouterLimits
    private var requestBody: BodyWriter?
    private var isRequestComplete = false
    private var answer = ByteBuffer()
    private var scanner: HeadScanner
    private var answerBody: BodyReader?
    private var isForHead = false
    private var isAnswerComplete = false

    init(limits: RouterLimits) {
        self.limits = limits
        // The router itself wrote the head: what it adds to an app's largest is its own.
        scanner = HeadScanner(
            maxBytes: limits.responseHeadBytes + 4_096, maxFields: limits.fieldCount + 16,
            maxStartLine: limits.responseHeadBytes)
    }

    // MARK: - Request

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let frame) where requestBody == nil: begin(frame, context)
        case .headers(let frame): finishRequest(frame, context)
        case .data(let frame): passOn(frame, context)
        case .rstStream: context.close(mode: .all, promise: nil)
        default: break
        }
    }

    private func begin(_ frame: HTTP2Frame.FramePayload.Headers, _ context: ChannelHandlerContext) {
        var head = context.channel.allocator.buffer(capacity: 1_024)
        do throws(FramingError) {
            let request = try HTTP2Head(frame.headers, endStream: frame.endStream)
            isForHead = request.method == "HEAD"
            request.write(into: &head)
            requestBody = BodyWriter(isChunked: request.isChunked)
            isRequestComplete = frame.endStream
        } catch {
            return reset(context)
        }
        context.fireChannelRead(wrapInboundOut(head))
    }

    private func passOn(_ frame: HTTP2Frame.FramePayload.Data, _ context: ChannelHandlerContext) {
        guard let requestBody, !isRequestComplete, case .byteBuffer(let bytes) = frame.data else { return }
        if bytes.readableBytes > 0 {
            requestBody.writeData(bytes) { context.fireChannelRead(wrapInboundOut($0)) }
        }
        if frame.endStream { endRequest(nil, context) }
    }

    private func finishRequest(_ frame: HTTP2Frame.FramePayload.Headers, _ context: ChannelHandlerContext) {
        guard !isRequestComplete, frame.endStream else { return reset(context) }
        do throws(FramingError) {
            endRequest(try HTTP2Head.trailers(frame.headers), context)
        } catch {
            reset(context)
        }
    }

    private func endRequest(_ trailers: Trailers?, _ context: ChannelHandlerContext) {
        isRequestComplete = true
        requestBody?.writeEnd(trailers, dropping: ConnectionOptions()) {
            context.fireChannelRead(wrapInboundOut($0))
        }
    }

    /// The request is malformed: RFC 9113 §8.1.1 has it end as a stream error.
    private func reset(_ context: ChannelHandlerContext) {
        isAnswerComplete = true
        context.writeAndFlush(wrapOutboundOut(.rstStream(.protocolError)), promise: nil)
        context.close(mode: .all, promise: nil)
    }

    // MARK: - Answer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        answer.append(unwrapOutboundIn(data))
        do throws(FramingError) {
            try writeAnswer(context)
        } catch {
            // Unreachable while the router writes what its own parser accepts.
            reset(context)
        }
        promise?.succeed()
    }

    private func writeAnswer(_ context: ChannelHandlerContext) throws(FramingError) {
        while answerBody == nil, let bytes = try scanner.next(&answer) {
            let head = try HeadParser.response(bytes)
            let facts = try ResponseFacts(head, isForHead: isForHead)
            let isInterim = head.status < 200
            if !isInterim { answerBody = BodyReader(facts.framing) }
            let isAlone = !isInterim && (facts.framing == .none || facts.framing == .length(0))
            if isAlone { isAnswerComplete = true }
            let headers = HTTP2Head.headers(of: head)
            context.write(wrapOutboundOut(.headers(.init(headers: headers, endStream: isAlone))), promise: nil)
        }
        while !isAnswerComplete, let piece = try answerBody?.next(&answer) {
            switch piece {
            case .data(let bytes):
                let isLast = answerBody?.isAtEnd == true
                if isLast { isAnswerComplete = true }
                context.write(
                    wrapOutboundOut(.data(.init(data: .byteBuffer(bytes), endStream: isLast))), promise: nil)
            case .end(let trailers?):
                isAnswerComplete = true
                let headers = HTTP2Head.headers(of: trailers)
                context.write(wrapOutboundOut(.headers(.init(headers: headers, endStream: true))), promise: nil)
            case .end(nil):
                isAnswerComplete = true
                context.write(
                    wrapOutboundOut(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true))), promise: nil)
            }
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .output where isAnswerComplete:
            // The stream's end went out with the answer's last frame.
            promise?.succeed()
        case .all where isAnswerComplete && !isRequestComplete:
            // RFC 9113 §8.1: the answer stands, the client is asked to stop sending.
            context.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: nil)
            context.close(mode: .all, promise: promise)
        default: context.close(mode: .all, promise: promise)
        }
    }
}
