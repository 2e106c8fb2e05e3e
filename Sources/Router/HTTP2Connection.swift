// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHPACK

/// A client's connection that speaks HTTP/2 (RFC 9113): frames in, frames out, and between them one ``HTTP2Stream`` for each request,
/// which a ``FrontConnection`` takes for a connection of its own.
///
/// What several streams have to say is collected, and goes out in one write when everybody who had something to do has had a turn.
final class HTTP2Connection: LoopContinuation {
    private enum Phase {
        case open
        /// The connection ends with its last stream.
        case leaving
        /// Everything has been said.
        case closing
    }

    /// How much is written at once, content of several streams in turns.
    private static let batch = 64 << 10
    /// Identifies the ping behind the first farewell.
    static let farewell: UInt64 = 0x6D69_6E69_7061_6173

    let loop: RouterLoop
    let client: Client
    private var transport: (any Transport)?
    private var phase = Phase.open
    private var input = InputBuffer()
    private var reader = HTTP2FrameReader()
    private var seenCompletions = 0
    private var isReceiving = false
    private var isReadDue = false
    var decoder: HPACKDecoder
    var guardian = HTTP2Guard()
    var streams: [UInt32: HTTP2Stream] = [:]
    /// The last stream that the client has begun.
    var lastStream: UInt32 = 0
    /// The client knows that it was the last one.
    private var hasSaidLast = false
    /// Streams that the router has reset lately: frames of theirs may be under way.
    private var lately: [UInt32] = []
    private var oldest = 0
    var output = ByteBuffer()
    /// What a stream may send at first.
    var initialSendWindow = HTTP2Limits.initialWindow
    var sendWindow = HTTP2SendWindow(HTTP2Limits.initialWindow)
    var receiveWindow = HTTP2ReceiveWindow(HTTP2Limits.connectionWindow)
    /// Streams with something to send, and whose turn it is.
    private var sending: [HTTP2Stream] = []
    private var turn = 0
    private var touched: [HTTP2Stream] = []
    /// Where the last request went: most go to the same app.
    private var memo = RouteMemo()
    private var isSettling = false
    private var isSettlePlanned = false
    /// Something that must come soon: the rest of a frame.
    private let headTimer: DeadlineTimer
    /// While there is no stream, and while the end is awaited.
    private let idleTimer: DeadlineTimer
    /// While the client takes nothing.
    private let sendTimer: DeadlineTimer

    init(loop: RouterLoop, client: Client) {
        self.loop = loop
        self.client = client
        headTimer = DeadlineTimer(thread: loop.thread)
        idleTimer = DeadlineTimer(thread: loop.thread)
        sendTimer = DeadlineTimer(thread: loop.thread)
        decoder = HPACKDecoder(
            allocator: ByteBufferAllocator(), maxDynamicTableSize: HPACKDecoder.maxDynamicTableSize,
            maxHeaderListSize: loop.configuration.limits.requestHeadBytes)
    }

    // MARK: - Streams

    /// Begins what a head asks for.
    func begin(_ id: UInt32, _ request: HTTP2Head, endStream: Bool) {
        let user = loop.front(client: client, memo: memo)
        let stream = HTTP2Stream(
            id: id, connection: self, user: user, request: request, endStream: endStream,
            sendWindow: initialSendWindow, limits: loop.configuration.limits)
        if streams.isEmpty { idleTimer.clear() }
        streams[id] = stream
        stream.start(request)
        memo = user.memo
    }

    /// Has a stream go on soon.
    func touch(_ stream: HTTP2Stream) {
        guard !stream.isTouched else { return }
        stream.isTouched = true
        touched.append(stream)
        plan()
    }

    /// A stream has something to send.
    func send(_ stream: HTTP2Stream) {
        if !stream.isSending, stream.canSend {
            stream.isSending = true
            sending.append(stream)
        }
        plan()
    }

    /// Ends a stream for the client, and forgets it.
    func reset(_ stream: HTTP2Stream, _ code: HTTP2Code) {
        resetStream(stream.id, code)
        remove(stream)
    }

    /// Resets a stream that the client has begun.
    func resetStream(_ id: UInt32, _ code: HTTP2Code) {
        output.writeReset(stream: id, code)
        if lately.count < HTTP2Limits.remembered {
            lately.append(id)
        } else {
            lately[oldest] = id
            oldest = (oldest + 1) % lately.count
        }
        plan()
    }

    /// The stream was reset by the router not long ago.
    func wasReset(_ id: UInt32) -> Bool { lately.contains(id) }

    /// Forgets a stream that is over.
    func remove(_ stream: HTTP2Stream) {
        streams[stream.id] = nil
        if stream.isSending, let index = sending.firstIndex(where: { $0 === stream }) {
            sending.remove(at: index)
            if index < turn { turn -= 1 }
            stream.isSending = false
        }
        giveBack(stream.heldBytes)
        stream.over(nil)
        if streams.isEmpty, phase != .closing { idleTimer.set(loop.configuration.idleTimeout) }
        plan()
    }

    /// Gives window back that no stream holds any more.
    func giveBack(_ count: Int) { writeWindowUpdate(stream: 0, receiveWindow.giveBack(count)) }

    /// The stream came after the router had said that it would answer no further one.
    func isIgnored(_ id: UInt32) -> Bool { hasSaidLast && id > lastStream && id % 2 == 1 }

    // MARK: - Sending

    /// Fields of an answer, which no window holds up.
    func writeFields(stream: UInt32, endStream: Bool, _ body: (inout ByteBuffer) -> Void) {
        var fields = loop.answers.take()
        body(&fields)
        makeRoom()
        output.writeFields(stream: stream, fields, endStream: endStream)
        loop.answers.giveBack(&fields)
    }

    private func makeRoom() {
        if output.capacity == 0 { output = loop.outputs.take() }
    }

    /// - Parameter increment: 0 for none.
    func writeWindowUpdate(stream: UInt32, _ increment: Int) {
        guard increment > 0 else { return }
        output.writeWindowUpdate(stream: stream, increment)
        plan()
    }

    /// Everybody who has something to do at the moment does it first.
    private func plan() {
        guard !isReceiving, !isSettling, !isSettlePlanned, transport != nil else { return }
        isSettlePlanned = true
        loop.thread.continueLater(self)
    }

    func goOn() {
        isSettlePlanned = false
        settle()
    }

    private func settle() {
        guard !isSettling else { return }
        isSettling = true
        repeat {
            var index = 0
            while index < touched.count {
                let stream = touched[index]
                index += 1
                stream.isTouched = false
                stream.proceed()
            }
            touched.removeAll(keepingCapacity: true)
            sendOutput()
        } while !touched.isEmpty
        isSettling = false
        if phase == .leaving, streams.isEmpty { closeAfterFlush() }
        watchSending()
    }

    private func sendOutput() {
        while let transport {
            let isMore = transport.isWritable && fillOutput()
            guard output.readableBytes > 0 else { return loop.outputs.giveBack(&output) }
            var bytes = ByteBuffer()
            swap(&bytes, &output)
            transport.write(bytes)
            transport.flush()
            loop.outputs.giveBack(&bytes)
            guard isMore else { return }
        }
    }

    /// One frame of each stream after another. True when there is more than goes at once.
    private func fillOutput() -> Bool {
        var silent = 0
        while silent < sending.count {
            guard output.readableBytes < Self.batch else { return true }
            if turn >= sending.count { turn = 0 }
            let stream = sending[turn]
            makeRoom()
            let used = stream.writeFrame(into: &output, limit: sendWindow.available)
            if let used {
                sendWindow.take(used)
                if stream.isDue { touch(stream) }
            }
            if stream.canSend {
                silent = used == nil ? silent + 1 : 0
                turn += 1
            } else {
                stream.isSending = false
                sending.remove(at: turn)
            }
        }
        return false
    }

    /// A client that takes nothing is cut, whatever its streams do.
    private func watchSending() {
        guard let transport, phase != .closing else { return }
        if transport.isWritable {
            sendTimer.clear()
        } else if !sendTimer.isSet {
            sendTimer.set(loop.configuration.sendTimeout)
        }
    }

    // MARK: - The end

    /// The end comes with the last stream.
    func leave() {
        if phase == .open { phase = .leaving }
        plan()
    }

    /// Nothing that begins from now on is answered.
    func sayFarewell() {
        guard !hasSaidLast else { return }
        hasSaidLast = true
        output.writeGoAway(last: lastStream, .noError)
        leave()
    }

    /// Ends the connection for what the client has done.
    func fail(_ code: HTTP2Code) {
        guard phase != .closing else { return }
        output.writeGoAway(last: lastStream, code)
        closeAfterFlush()
    }

    private func closeAfterFlush() {
        guard phase != .closing else { return }
        phase = .closing
        endStreams(nil)
        sendOutput()
        headTimer.clear()
        idleTimer.clear()
        // Who does not take the farewell either is cut.
        sendTimer.set(loop.configuration.sendTimeout)
        transport?.closeAfterFlush()
        // TLS ends when the client says so too, and unread bytes would make the kernel reset what it has not taken yet.
        transport?.read()
    }

    private func endStreams(_ error: (any Error)?) {
        let all = streams.values
        streams = [:]
        sending = []
        for stream in all {
            stream.isSending = false
            stream.over(error)
        }
    }

    private func reset() {
        transport?.resetOnClose()
        transport?.close()
    }
}

extension HTTP2Connection: TransportUser {
    func opened(_ transport: any Transport) {
        self.transport = transport
        loop.add(self)
        headTimer.onExpiry = { [unowned self] in cut() }
        idleTimer.onExpiry = { [unowned self] in fail(.noError) }
        sendTimer.onExpiry = { [unowned self] in reset() }
        idleTimer.set(loop.configuration.idleTimeout)
        let limits = loop.configuration.limits
        output.writeSettings([
            (3, limits.streamsPerConnection), (4, HTTP2Limits.streamWindow), (6, limits.requestHeadBytes),
        ])
        output.writeWindowUpdate(stream: 0, HTTP2Limits.connectionWindow - HTTP2Limits.initialWindow)
        if loop.isShuttingDown { willShutDown() }
        settle()
        transport.read()
    }

    func received(_ bytes: ByteBuffer) {
        guard phase != .closing else { return }
        isReceiving = true
        input.append(bytes)
        do throws(HTTP2Failure) {
            while phase != .closing, let said = try reader.next(&input.bytes) { try take(said) }
        } catch {
            fail(error.code)
        }
    }

    func receiveCompleted() {
        isReceiving = false
        guard phase != .closing else {
            transport?.read()
            return
        }
        input.keep()
        settle()
        if !reader.isInside(input.bytes) {
            headTimer.clear()
        } else if !headTimer.isSet || reader.completions != seenCompletions {
            headTimer.set(loop.configuration.headTimeout)
        }
        seenCompletions = reader.completions
        readMore()
    }

    /// A client that takes nothing is not listened to: each of its requests would add to what waits for it.
    private func readMore() {
        guard let transport, phase != .closing else { return }
        isReadDue = !transport.isWritable
        // Nor is it late then.
        if isReadDue { headTimer.clear() } else { transport.read() }
    }

    func keepInput() { input.keep() }

    func becameWritable() {
        settle()
        if isReadDue { readMore() }
    }

    func inputEnding() {}

    var drainsAfterFailure: Bool { false }

    /// There are no halves of a connection: the client has gone.
    func inputClosed() { closeAfterFlush() }

    func outputFinished() {}

    func closed(_ error: (any Error)?) {
        let wasOpen = transport != nil
        transport = nil
        phase = .closing
        for timer in [headTimer, idleTimer, sendTimer] { timer.cancel() }
        endStreams(error)
        touched = []
        if wasOpen { loop.remove(self) }
    }
}

extension HTTP2Connection: LoopConnection {
    /// GOAWAY tells the client what will not be answered (RFC 9113 §6.8).
    var isNew: Bool { false }

    /// The streams do it.
    func closeWhenIdle() {}

    func cut() { transport?.close() }

    /// Two farewells: what is under way when the first one goes out is answered, and when the ping comes back there is nothing
    /// under way any more.
    func willShutDown() {
        guard transport != nil, phase == .open else { return }
        output.writeGoAway(last: UInt32(Int32.max), .noError)
        output.writePing(Self.farewell, isAnswer: false)
        plan()
    }
}
