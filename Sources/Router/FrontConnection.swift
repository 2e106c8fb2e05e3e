// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel

/// The one who works on a client's request at the moment. Called on the event loop.
protocol ClientSide: AnyObject {
    /// No more bytes come for now; ``FrontConnection/input`` has those that nobody has taken.
    func clientReadable()
    /// The connection takes bytes again.
    func clientWritable()
    /// The client has finished sending.
    func clientInputClosed()
    /// The connection is closed.
    func clientGone()
    /// The deadline set by ``FrontConnection/timer`` has passed.
    func deadlinePassed()
}

/// A client's connection, or one of the streams in it that HTTP/2 makes look like connections: reads heads, hands each request to an ``Exchange``, and decides when to close.
///
/// Bytes are read only when somebody wants them, so a slow app slows its client down.
final class FrontConnection: ChannelInboundHandler, LoopConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        /// Between requests, or in the middle of a head.
        case head
        /// The owner works on a request.
        case busy
        /// Everything has been said; waiting for the client to close, so that it gets to read it.
        case lingering
        case closed
    }

    /// How long a client may take to close after the last answer.
    private static let lingerTimeout = Duration.seconds(2)
    /// How much a client may still send then.
    private static let maxLingerBytes = 8 << 20

    let loop: RouterLoop
    let client: Client
    /// Bytes that nobody has taken yet.
    var input = ByteBuffer()
    /// The one deadline of the connection; whoever is in charge sets it.
    let timer: DeadlineTimer
    /// Who works on the current request.
    var owner: (any ClientSide)?
    private(set) var isInputClosed = false
    private var phase = Phase.head
    private var scanner: HeadScanner
    /// The first bytes of a head have come, and its time runs. It is for the whole head, however often a byte comes.
    private var hasHeadBegun = false
    private var context: ChannelHandlerContext?
    private var outgoing = OutgoingBytes()
    private var isAdvancing = false
    /// It has had no request yet.
    private(set) var isNew = true
    private var isOutputFinished = false
    private var lingerBytes = 0

    init(loop: RouterLoop, client: Client) {
        self.loop = loop
        self.client = client
        self.timer = DeadlineTimer(eventLoop: loop.eventLoop)
        let limits = loop.configuration.limits
        scanner = HeadScanner(
            maxBytes: limits.requestHeadBytes, maxFields: limits.fieldCount, maxStartLine: limits.targetBytes + 64)
    }

    /// Takes bytes without piling them up.
    var isWritable: Bool { context?.channel.isWritable ?? false }
    /// Makes outgoing buffers.
    var allocator: ByteBufferAllocator { context?.channel.allocator ?? ByteBufferAllocator() }

    func write(_ buffer: ByteBuffer) {
        outgoing.add(buffer) { context?.write(wrapOutboundOut($0), promise: nil) }
    }

    func flush() {
        outgoing.drain { context?.write(wrapOutboundOut($0), promise: nil) }
        context?.flush()
    }

    func read() { context?.read() }

    // MARK: - Requests

    /// Starts requests as long as complete heads are there. A loop, not a recursion: a client may pipeline thousands.
    private func advance() {
        guard !isAdvancing else { return }
        isAdvancing = true
        defer { isAdvancing = false }
        while phase == .head, isWritable {
            do throws(FramingError) {
                guard let head = try scanner.next(&input) else {
                    let known = input.readableBytes
                    awaitHead()
                    // A socket never answers a read at once, a stream of HTTP/2 does when something has arrived already.
                    guard input.readableBytes > known else { return }
                    continue
                }
                phase = .busy
                try begin(head)
            } catch {
                refuse(error)
            }
        }
        // The client takes nothing of the answers that wait for it.
        if phase == .head { timer.set(loop.configuration.sendTimeout) }
    }

    private func awaitHead() {
        let isLeaving = loop.isShuttingDown && !loop.keepsIdle && !isNew
        if isInputClosed || isLeaving && input.readableBytes == 0 { return close() }
        if input.readableBytes == 0 {
            timer.set(loop.configuration.idleTimeout)
        } else if !hasHeadBegun {
            hasHeadBegun = true
            timer.set(loop.configuration.headTimeout)
        }
        read()
    }

    private func begin(_ bytes: ByteBuffer) throws(FramingError) {
        timer.clear()
        isNew = false
        hasHeadBegun = false
        let head = try HeadParser.request(bytes, maxTarget: loop.configuration.limits.targetBytes)
        let request = IncomingRequest(
            head: head, facts: try RequestFacts(head), method: bytes.text(head.method),
            target: bytes.text(head.target), id: loop.requestID(), client: client.address, time: .now,
            start: loop.eventLoop.now)
        let host = request.facts.host.map(bytes.text)
        let destination = try RequestRouting.destination(method: request.method, target: request.target, host: host)
        switch destination {
        case .app(let appRequest):
            let exchange = Exchange(front: self, incoming: request, request: appRequest)
            owner = exchange
            exchange.start()
        case .redirect(let location): answer(.moved(to: location), to: request)
        case .frontPage where request.isHead || request.method == "GET" || request.method == "OPTIONS":
            answer(.front(authority: host ?? ""), to: request)
        case .frontPage, .nowhere: answer(.nothingHere, to: request)
        }
    }

    /// Answers a request with a page of the router's own, and ends it.
    ///
    /// - Parameter isRequestComplete: the body has been taken from the connection.
    func answer(
        _ page: OwnPage, to request: IncomingRequest, app: String? = nil, upstreamID: String? = nil,
        isRequestComplete: Bool = false
    ) {
        let keepAlive =
            request.facts.keepAlive && !loop.isShuttingDown && (isRequestComplete || request.isBodyless)
        let (bytes, count) = page.response(
            OwnPage.Circumstances(
                isForHead: request.isHead, prefersHTML: request.prefersHTML, requestID: request.id,
                date: loop.dateText(),
                connection: connectionField(keepAlive: keepAlive, minorVersion: request.head.minorVersion)),
            allocator: allocator)
        write(bytes)
        flush()
        loop.table.counters.count(app: app, status: page.status)
        loop.accessLog?(
            request.record(
                app: app, status: page.status, bytes: Int64(count), upstreamID: upstreamID, isCut: false,
                now: loop.eventLoop.now))
        exchangeEnded(keepAlive: keepAlive)
    }

    /// The Connection field that tells the client whether it may send another request.
    func connectionField(keepAlive: Bool, minorVersion: Int) -> String? {
        if !keepAlive { return "close" }
        return minorVersion == 0 ? "keep-alive" : nil
    }

    /// The answer has been written: the next request, or the end.
    func exchangeEnded(keepAlive: Bool) {
        owner = nil
        guard phase == .busy else { return }
        if keepAlive {
            phase = .head
            advance()
        } else {
            linger()
        }
    }

    private func refuse(_ error: FramingError) {
        let page = error.status == 408 ? OwnPage.requestTimeout : OwnPage.refused(error)
        let circumstances = OwnPage.Circumstances(
            requestID: loop.requestID(), date: loop.dateText(), connection: "close")
        let (bytes, count) = page.response(circumstances, allocator: allocator)
        write(bytes)
        loop.table.counters.count(app: nil, status: page.status)
        loop.accessLog?(
            AccessRecord(
                time: .now, app: nil, client: client.address, method: "-", path: "-", status: page.status,
                bytes: Int64(count),
                duration: .zero, upstreamID: nil, requestID: circumstances.requestID, isCut: false))
        linger()
    }

    // MARK: - The end

    /// Sends what was written and the end of the stream, then reads until the client closes too: closing at once
    /// while bytes are unread makes the kernel reset the connection, and the answer would be lost.
    func linger() {
        guard let context, startLingering() else { return }
        // Closing only the output when the input is closed would close everything before the last bytes are sent.
        if isInputClosed { return closeAfterFlush() }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in
            isOutputFinished = true
            if isInputClosed { return close() }
            timer.set(Self.lingerTimeout)
            read()
        }
        flush()
        context.close(mode: .output, promise: promise)
    }

    private func startLingering() -> Bool {
        guard phase != .closed, phase != .lingering else { return false }
        phase = .lingering
        owner = nil
        input = ByteBuffer()
        timer.set(loop.configuration.idleTimeout)
        return true
    }

    private func closeAfterFlush() {
        guard let context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in close() }
        flush()
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    /// Sends what was written and the end of the stream, for a tunnel that still reads.
    func finishOutput() {
        flush()
        context?.close(mode: .output, promise: nil)
    }

    /// Ends an answer that cannot be completed, so that the client sees that something is missing.
    ///
    /// - Parameter resetting: nothing but the end of the connection delimits the body, so it must not end in order.
    func cutAnswer(resetting: Bool) {
        owner = nil
        if resetting {
            reset()
        } else {
            if startLingering() { closeAfterFlush() }
        }
    }

    /// Closes now, whatever is going on.
    func cut() { close() }

    /// Closes now, and what the client has not taken is gone. After an orderly end the kernel would keep it, up to megabytes,
    /// for as long as a client that reads next to nothing acknowledges something.
    func reset() {
        (context?.channel as? any SocketOptionProvider)?.resetOnClose()
        close()
    }

    /// Closes now when there is no request; else after it.
    func closeWhenIdle() {
        if phase == .head, input.readableBytes == 0 { close() }
    }

    /// What is said next says it.
    func willShutDown() {}

    private func close() {
        context?.close(mode: .all, promise: nil)
    }

    private func deadlinePassed() {
        switch phase {
        case .head where !isWritable: reset()
        case .head where input.readableBytes > 0: refuse(FramingError(status: 408, detail: ""))
        case .busy: owner?.deadlinePassed()
        // A slow client may not have taken the end of the last answer.
        case .head: if startLingering() { closeAfterFlush() }
        case .lingering, .closed: close()
        }
    }

    // MARK: - Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
        // Never weak where every request passes: an object that has a weak reference is dearer to retain for ever after.
        timer.onExpiry = { [unowned self] in deadlinePassed() }
        // After a TLS handshake the channel has long been active.
        if context.channel.isActive { advance() }
    }

    func channelActive(context: ChannelHandlerContext) { advance() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if phase == .lingering {
            lingerBytes += bytes.readableBytes
            if lingerBytes > Self.maxLingerBytes { close() }
        } else {
            input.append(bytes)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch phase {
        case .head: advance()
        case .busy: owner?.clientReadable()
        case .lingering: if isOutputFinished { read() }
        case .closed: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard isWritable else { return }
        switch phase {
        case .head: advance()
        case .busy: owner?.clientWritable()
        case .lingering, .closed: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return }
        isInputClosed = true
        switch phase {
        case .head: advance()
        case .busy: owner?.clientInputClosed()
        case .lingering: if isOutputFinished { close() }
        case .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    func channelInactive(context: ChannelHandlerContext) {
        phase = .closed
        timer.cancel()
        self.context = nil
        let owner = owner
        self.owner = nil
        owner?.clientGone()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        loop.remove(self)
    }
}
