// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel

/// A client's connection, or one of the streams in it that HTTP/2 makes look like connections: reads heads, hands each request to an ``Exchange``, and decides when to close.
///
/// Bytes are read only when somebody wants them, so a slow app slows its client down.
final class FrontConnection: LoopConnection {
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
    static let lingerTimeout = Duration.seconds(2)
    /// How much a client may still send then.
    private static let maxLingerBytes = 8 << 20

    /// A head's memory up to this size is kept for the next one.
    private static let keptHead = 2 << 10

    let loop: RouterLoop
    private(set) var client: Client
    /// Bytes that nobody has taken yet.
    var input: ByteBuffer {
        get { buffer.bytes }
        _modify { yield &buffer.bytes }
    }
    /// The one deadline of the connection; whoever is in charge sets it.
    let timer: DeadlineTimer
    /// Who works on the current request.
    var owner: (any ClientSide)?
    private(set) var isInputClosed = false
    private var phase = Phase.head
    private var scanner: HeadScanner
    /// The first bytes of a head have come, and its time runs. It is for the whole head, however often a byte comes.
    private var hasHeadBegun = false
    private var transport: (any Transport)?
    private var buffer = InputBuffer()
    private let onEnd: (() -> Void)?
    private let isStream: Bool
    /// What comes in ``headBytes`` is there already.
    private var isHeadKept = false
    /// Where the last request went.
    private(set) var memo: RouteMemo
    private var headBytes = ByteBuffer()
    private var isAdvancing = false
    /// It has had no request yet.
    private(set) var isNew = true
    private var isOutputFinished = false
    private var lingerBytes = 0

    /// - Parameters:
    ///   - memo: where the same client's last request went.
    ///   - isStream: it is one of the streams of a connection, which ends with that.
    ///   - onEnd: called when the connection is closed.
    init(
        loop: RouterLoop, client: Client, memo: RouteMemo = RouteMemo(), isStream: Bool = false,
        onEnd: (() -> Void)? = nil
    ) {
        self.loop = loop
        self.client = client
        self.memo = memo
        self.isStream = isStream
        self.onEnd = onEnd
        self.timer = DeadlineTimer(thread: loop.thread)
        scanner = Self.scanner(loop.configuration.limits)
    }

    private static func scanner(_ limits: RouterLimits) -> HeadScanner {
        HeadScanner(
            maxBytes: limits.requestHeadBytes, maxFields: limits.fieldCount, maxStartLine: limits.targetBytes + 64)
    }

    /// Serves another stream, after one that is over: as new, but for its memory and its timer.
    func reuse(client: Client, memo: RouteMemo) {
        self.client = client
        self.memo = memo
        owner = nil
        isInputClosed = false
        phase = .head
        scanner = Self.scanner(loop.configuration.limits)
        hasHeadBegun = false
        buffer = InputBuffer()
        dropLargeHead()
        isHeadKept = false
        isAdvancing = false
        isNew = true
        isOutputFinished = false
        lingerBytes = 0
    }

    /// Takes bytes without piling them up.
    var isWritable: Bool { transport?.isWritable ?? false }

    /// Lets `body` append to what the next flush sends.
    func compose(_ body: (inout ByteBuffer) -> Void) { transport?.compose(body) }

    /// Writes the head of a final answer.
    func writeHead(_ head: AnswerHead) { transport?.writeHead(head) }

    func write(_ bytes: ByteBuffer) { transport?.write(bytes) }

    func flush() { transport?.flush() }

    func read() { transport?.read() }

    // MARK: - Requests

    /// Starts requests as long as complete heads are there. A loop, not a recursion: a client may pipeline thousands.
    private func advance() {
        guard !isAdvancing else { return }
        isAdvancing = true
        defer { isAdvancing = false }
        while phase == .head, isWritable {
            do throws(FramingError) {
                guard let head = try scanner.next(&input) else { return awaitHead() }
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
        if isInputClosed || isLeaving && input.readableBytes == 0 { return closeAfterFlush() }
        dropLargeHead()
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
        defer { isHeadKept = false }
        let kept = isHeadKept ? bytes : keep(bytes)
        let head = try HeadParser.request(kept, maxTarget: loop.configuration.limits.targetBytes)
        let request = IncomingRequest(
            head: head, facts: try RequestFacts(head), id: loop.requestID(), client: client.address, time: .now,
            start: loop.thread.now)
        if let found = memo.find(head, host: request.facts.host) { return start(found, request) }
        let host = request.facts.host.map(head.bytes.text)
        let destination = try RequestRouting.destination(
            method: head.bytes.text(head.method), target: head.bytes.text(head.target), host: host)
        switch destination {
        case .app(let appRequest):
            memo.remember(appRequest, head, host: request.facts.host, client: client)
            start(appRequest, request)
        case .redirect(let location): answer(.moved(to: location), to: request)
        case .frontPage where [.get, .head, .options].contains(head.kind):
            answer(.front(authority: host ?? ""), to: request)
        case .frontPage, .nowhere: answer(.nothingHere, to: request)
        }
    }

    private func start(_ appRequest: AppRequest, _ request: IncomingRequest) {
        guard let forwarded = memo.forwarded else { preconditionFailure("nobody remembered the app") }
        let exchange = Exchange(front: self, incoming: request, request: appRequest, forwarded: forwarded)
        owner = exchange
        exchange.start()
    }

    /// Copies a head to memory of the connection's own, which the next head uses again: it is needed for as long as the request
    /// lasts, and where it was received the bytes of others come next.
    private func keep(_ head: ByteBuffer) -> ByteBuffer {
        headBytes.clear(minimumCapacity: head.readableBytes)
        headBytes.writeImmutableBuffer(head)
        return headBytes
    }

    private func dropLargeHead() {
        if headBytes.capacity > Self.keptHead { headBytes = ByteBuffer() }
    }

    /// Takes the first head before the connection opens, whole: so it is not waited for. It is written to where heads are kept.
    func receiveHead(_ body: (inout ByteBuffer) -> Void) {
        headBytes.clear(minimumCapacity: 512)
        body(&headBytes)
        isHeadKept = true
        buffer.append(headBytes)
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
                connection: connectionField(keepAlive: keepAlive, minorVersion: request.head.minorVersion)))
        write(bytes)
        flush()
        loop.table.counters.count(app: app, status: page.status)
        loop.accessLog?(
            request.record(
                app: app, status: page.status, bytes: Int64(count), upstreamID: upstreamID, isCut: false,
                now: loop.thread.now))
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
        let (bytes, count) = page.response(circumstances)
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
        guard let transport, startLingering() else { return }
        // Closing only the output when the input is closed would close everything before the last bytes are sent.
        if isInputClosed { transport.closeAfterFlush() } else { transport.finishOutput() }
    }

    private func startLingering() -> Bool {
        guard phase != .closed, phase != .lingering else { return false }
        phase = .lingering
        owner = nil
        input = ByteBuffer()
        timer.set(loop.configuration.idleTimeout)
        return true
    }

    /// Sends what was written and the end of the stream, for a tunnel that still reads.
    func finishOutput() { transport?.finishOutput() }

    /// Ends an answer that cannot be completed, so that the client sees that something is missing.
    ///
    /// - Parameter resetting: nothing but the end of the connection delimits the body, so it must not end in order.
    func cutAnswer(resetting: Bool) {
        owner = nil
        if resetting {
            reset()
        } else {
            closeAfterFlush()
        }
    }

    /// Closes now, whatever is going on.
    func cut() { close() }

    /// Closes now, and what the client has not taken is gone. After an orderly end the kernel would keep it, up to megabytes,
    /// for as long as a client that reads next to nothing acknowledges something.
    func reset() {
        transport?.resetOnClose()
        close()
    }

    /// Closes when there is no request, as soon as the client has taken the last answer; else after it.
    func closeWhenIdle() {
        if phase == .head, input.readableBytes == 0 { closeAfterFlush() }
    }

    /// What is said next says it.
    func willShutDown() {}

    private func close() { transport?.close() }

    /// Sends what a slow client has not taken of its answers, then closes.
    private func closeAfterFlush() {
        if startLingering() { transport?.closeAfterFlush() }
    }

    private func deadlinePassed() {
        switch phase {
        case .head where !isWritable: reset()
        case .head where input.readableBytes > 0: refuse(FramingError(status: 408, detail: ""))
        case .busy: owner?.deadlinePassed()
        case .head: closeAfterFlush()
        case .lingering, .closed: close()
        }
    }
}

extension FrontConnection: TransportUser {
    func opened(_ transport: any Transport) {
        self.transport = transport
        if !isStream { loop.add(self) }
        // Never weak where every request passes: an object that has a weak reference is dearer to retain for ever after.
        if timer.onExpiry == nil { timer.onExpiry = { [unowned self] in deadlinePassed() } }
        advance()
    }

    func received(_ bytes: ByteBuffer) {
        if phase == .lingering {
            lingerBytes += bytes.readableBytes
            if lingerBytes > Self.maxLingerBytes { close() }
        } else {
            buffer.append(bytes)
        }
    }

    func receiveCompleted() {
        switch phase {
        case .head: advance()
        case .busy: owner?.clientReadable()
        case .lingering: if isOutputFinished { read() }
        case .closed: break
        }
    }

    func keepInput() { buffer.keep() }

    func becameWritable() {
        switch phase {
        case .head: advance()
        case .busy: owner?.clientWritable()
        case .lingering, .closed: break
        }
    }

    var drainsAfterFailure: Bool { true }

    func inputEnding() {
        if phase == .busy { owner?.clientInputEnding() }
    }

    func inputClosed() {
        isInputClosed = true
        switch phase {
        case .head: advance()
        case .busy: owner?.clientInputClosed()
        case .lingering: if isOutputFinished { close() }
        case .closed: break
        }
    }

    func outputFinished() {
        guard phase == .lingering else { return }
        isOutputFinished = true
        if isInputClosed { return close() }
        timer.set(Self.lingerTimeout)
        read()
    }

    func closed(_ error: (any Error)?) {
        let wasOpen = transport != nil
        phase = .closed
        // The next stream will want it again.
        if isStream { timer.clear() } else { timer.cancel() }
        transport = nil
        let owner = owner
        self.owner = nil
        owner?.clientGone()
        if wasOpen, !isStream { loop.remove(self) }
        onEnd?()
    }
}
