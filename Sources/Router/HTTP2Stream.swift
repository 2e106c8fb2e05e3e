// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Makes one HTTP/2 stream look like a connection that carries one HTTP/1.1 request: the head, the body and the answer
/// go through the same strict parsing, limits and rewriting as everything else.
///
/// What the client sends waits here until it is asked for, what it is sent until its windows and its turn come. The
/// ``HTTP2Connection`` has it go on; nothing is told to the user from within a call of its own but the end.
final class HTTP2Stream: Transport {
    /// More than this waiting, and the stream is not writable…
    private static let highWater = 64 << 10
    /// …until there is no more than this.
    private static let lowWater = 32 << 10
    /// Longest piece that is copied: of a longer one the memory is shared, which then cannot be used again at once.
    private static let copied = 8 << 10

    /// Memory for an answer up to this size is kept for the next stream.
    static let keptAnswer = 4 << 10

    private enum End {
        case none
        /// The answer is complete, or all there will be of it.
        case finishing
        /// The stream ends behind what waits.
        case closing
    }

    let id: UInt32
    private var connection: HTTP2Connection?
    private var user: FrontConnection?
    private var end = End.none
    /// Waits for its turn to send; the connection's own note.
    var isSending = false
    /// Is to go on; the connection's own note.
    var isTouched = false

    // What comes.
    private let statedLength: Int?
    private let requestBody: BodyWriter
    private var receivedLength = 0
    private var receiveWindow = HTTP2ReceiveWindow(HTTP2Limits.streamWindow)
    private var inbox = ByteBuffer()
    /// What the user has got and may still be using.
    private var lent = 0
    private var wantsRead = false
    private(set) var isRequestComplete: Bool
    private var isRequestPassedOn: Bool
    private var trailers: Trailers?

    // What goes.
    private let isForHead: Bool
    private var answer = ByteBuffer()
    private var scanner: HeadScanner
    private var answerBody: BodyReader?
    private var isAnswerComplete = false
    private var hasHeadToFlush = false
    private var pending = ByteBuffer()
    private var answerTrailers: ByteBuffer?
    private var sendWindow: HTTP2SendWindow
    private var isEndSent = false
    private var isFinishTold = false
    private(set) var isWritable = true

    init(
        id: UInt32, connection: HTTP2Connection, user: FrontConnection, request: HTTP2Head, endStream: Bool,
        sendWindow: Int, limits: RouterLimits
    ) {
        self.id = id
        self.connection = connection
        self.user = user
        self.sendWindow = HTTP2SendWindow(sendWindow)
        statedLength = request.statedLength
        requestBody = BodyWriter(isChunked: request.isChunked)
        isRequestComplete = endStream
        isRequestPassedOn = endStream
        isForHead = request.method == "HEAD"
        // The router itself wrote the head: what it adds to an app's largest is its own.
        scanner = HeadScanner(
            maxBytes: limits.responseHeadBytes + 4_096, maxFields: limits.fieldCount + 16,
            maxStartLine: limits.responseHeadBytes)
    }

    /// The user gets the head, and then the rest when it asks.
    func start(_ request: HTTP2Head) {
        user?.receiveHead(request.write)
        user?.opened(self)
    }

    // MARK: - From the client

    /// Content of this length begins; false when it is more than the client may send.
    func takeWindow(_ length: Int) -> Bool { receiveWindow.take(length) }

    /// Some content; false when there is more than was stated.
    func take(_ bytes: ByteBuffer) -> Bool {
        receivedLength += bytes.readableBytes
        guard receivedLength <= statedLength ?? .max else { return false }
        // Memory of its own: a byte would keep all that was received with it.
        inbox.writeImmutableBuffer(bytes)
        return true
    }

    /// The request is complete; false when there is less than was stated.
    func takeEnd(_ trailers: Trailers?) -> Bool {
        guard receivedLength == statedLength ?? receivedLength else { return false }
        self.trailers = trailers
        isRequestComplete = true
        return true
    }

    /// Bytes in the connection's window that nobody will use any more.
    var heldBytes: Int { inbox.readableBytes + lent }

    /// The client takes more, or less; false when that is more than there may be.
    func addToSendWindow(_ count: Int) -> Bool { sendWindow.add(count) }

    /// Does what has become possible.
    func proceed() {
        if wantsRead { deliver() }
        if !isWritable, pending.readableBytes <= Self.lowWater {
            isWritable = true
            user?.becameWritable()
        }
        conclude()
    }

    private var hasEndToPassOn: Bool { isRequestComplete && !isRequestPassedOn }

    private func deliver() {
        let bytes = inbox
        let endsNow = hasEndToPassOn
        guard bytes.readableBytes > 0 || endsNow, let user else { return }
        wantsRead = false
        inbox = ByteBuffer()
        lent += bytes.readableBytes
        if bytes.readableBytes > 0 { requestBody.writeData(bytes, write: user.received) }
        if endsNow {
            isRequestPassedOn = true
            requestBody.writeEnd(trailers, dropping: ConnectionOptions(), write: user.received)
        }
        user.receiveCompleted()
    }

    // MARK: - To the client

    /// A peer that goes away resets the stream, and that ends it.
    var hasEnded: Bool { connection == nil }

    func compose(_ body: (inout ByteBuffer) -> Void) {
        guard connection != nil else { return }
        if answer.capacity == 0, let loop = user?.loop { answer = loop.answers.take() }
        body(&answer)
    }

    /// Fields as they will go out; what else is written of an answer is read again.
    func writeHead(_ head: AnswerHead) {
        if answer.readableBytes > 0 { flush() }
        guard let connection else { return }
        let framing = head.bodyFraming
        answerBody = BodyReader(framing)
        let isAlone = framing == .none || framing == .length(0)
        if isAlone { (isAnswerComplete, isEndSent) = (true, true) }
        connection.writeFields(stream: id, endStream: isAlone, head.writeFields)
        hasHeadToFlush = true
    }

    func write(_ bytes: ByteBuffer) {
        if answer.readableBytes == 0, bytes.readableBytes > Self.copied, connection != nil {
            answer = bytes
        } else {
            compose { $0.writeImmutableBuffer(bytes) }
        }
    }

    func flush() {
        guard let connection, answer.readableBytes > 0 || hasHeadToFlush else { return }
        hasHeadToFlush = false
        do throws(FramingError) {
            try takeAnswer(connection)
        } catch {
            // Unreachable while the router writes what its own parser accepts.
            return connection.reset(self, .internalError)
        }
        if answer.readableBytes > 0 {
            answer.discardReadBytes()
        } else if !isAnswerComplete || answer.capacity > Self.keptAnswer {
            // What is written next may come late, and a client may take long for the rest of a large answer.
            answer = ByteBuffer()
        }
        if pending.readableBytes > Self.highWater { isWritable = false }
        connection.send(self)
    }

    private func takeAnswer(_ connection: HTTP2Connection) throws(FramingError) {
        while answerBody == nil, let bytes = try scanner.next(&answer) {
            let head = try HeadParser.response(bytes)
            let facts = try ResponseFacts(head, isForHead: isForHead)
            let isInterim = head.status < 200
            if !isInterim { answerBody = BodyReader(facts.framing) }
            let isAlone = !isInterim && (facts.framing == .none || facts.framing == .length(0))
            if isAlone { (isAnswerComplete, isEndSent) = (true, true) }
            connection.writeFields(stream: id, endStream: isAlone) { HTTP2Head.write(head, into: &$0) }
        }
        while !isAnswerComplete, let piece = try answerBody?.next(&answer) {
            switch piece {
            case .data(let bytes):
                pending.discardReadBytes()
                pending.append(bytes)
                if answerBody?.isAtEnd == true { isAnswerComplete = true }
            case .end(let trailers):
                isAnswerComplete = true
                guard let trailers, !trailers.fields.isEmpty else { break }
                var fields = ByteBuffer()
                HTTP2Head.write(trailers, into: &fields)
                if fields.readableBytes > 0 { answerTrailers = fields }
            }
        }
    }

    /// Writes one frame of the answer, if the windows have room for it.
    ///
    /// - Parameter limit: the connection's window.
    /// - Returns: how much of that was used; nil for no frame.
    func writeFrame(into buffer: inout ByteBuffer, limit: Int) -> Int? {
        guard !isEndSent else { return nil }
        let count = max(0, min(pending.readableBytes, sendWindow.available, limit, HTTP2Limits.frame))
        let isRest = count == pending.readableBytes
        let endsNow = isRest && isAnswerComplete
        guard count > 0 || endsNow else { return nil }
        if count > 0 || answerTrailers == nil {
            let flags = endsNow && answerTrailers == nil ? HTTP2Flag.endStream : 0
            buffer.writeFrameHead(HTTP2FrameKind.data, flags: flags, stream: id, length: count)
            if var bytes = pending.readSlice(length: count) { buffer.writeBuffer(&bytes) }
            sendWindow.take(count)
            if isRest { pending = ByteBuffer() }
        }
        if endsNow {
            isEndSent = true
            if let answerTrailers { buffer.writeFields(stream: id, answerTrailers, endStream: true) }
        }
        return count
    }

    /// There is something that the stream's own window has room for.
    var canSend: Bool {
        !isEndSent
            && (pending.readableBytes > 0 ? sendWindow.available > 0 : isAnswerComplete)
    }

    /// Something has become possible by sending.
    var isDue: Bool {
        isEndSent || !isWritable && pending.readableBytes <= Self.lowWater
            || end != .none && pending.readableBytes == 0
    }

    // MARK: - For the user

    func read() {
        guard let connection else { return }
        wantsRead = true
        // Who asks for more has used what it got.
        let used = lent
        lent = 0
        if used > 0 {
            connection.giveBack(used)
            giveBack(used, connection)
        }
        if inbox.readableBytes > 0 || hasEndToPassOn { connection.touch(self) }
    }

    /// Gives window back to the client.
    func giveBack(_ count: Int) {
        if let connection { giveBack(count, connection) }
    }

    private func giveBack(_ count: Int, _ connection: HTTP2Connection) {
        guard !isRequestComplete else { return }
        connection.writeWindowUpdate(stream: id, receiveWindow.giveBack(count))
    }

    func finishOutput() {
        flush()
        if end == .none { end = .finishing }
        connection?.touch(self)
    }

    func closeAfterFlush() {
        flush()
        end = .closing
        connection?.touch(self)
    }

    func resetOnClose() {}

    func close() { connection?.reset(self, isEndSent ? .noError : .cancel) }

    // MARK: - The end

    private func conclude() {
        guard let connection, end != .none || isEndSent else { return }
        if !isEndSent {
            // Nothing follows of an answer that is not complete: the client must see that.
            if pending.readableBytes == 0, !isAnswerComplete { connection.reset(self, .internalError) }
        } else if isRequestComplete {
            connection.remove(self)
        } else if end == .closing {
            connection.reset(self, .noError)
        } else if end == .finishing, !isFinishTold {
            isFinishTold = true
            user?.outputFinished()
        }
    }

    /// The stream is over; the connection has forgotten it.
    func over(_ error: (any Error)?) {
        connection = nil
        isWritable = false
        guard let user else { return }
        self.user = nil
        user.closed(error)
        pending = ByteBuffer()
        user.loop.answers.giveBack(&answer)
        user.loop.giveBack(user)
    }
}
