// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel

/// One request on its way to an app, and the answer on its way back.
///
/// Bytes move in both directions at once. Each side is read only while the other takes what is written to it, so
/// neither direction needs more memory than a few buffers.
final class Exchange {
    /// The answer once its head has been passed on.
    struct Answer {
        var status: Int
        var facts: ResponseFacts
        var body: BodyReader
        var framing: ResponseRewriting.Framing
        var keepAlive: Bool
    }

    /// Interim answers that an app may send before the real one.
    static let maxInterimAnswers = 16

    let front: FrontConnection
    let incoming: IncomingRequest
    let request: AppRequest
    private let forwarded: ForwardedFields
    var upstream: UpstreamConnection?
    var answer: Answer?
    var answerScanner: HeadScanner
    var interimAnswers = 0
    /// Bytes of content sent to the client.
    var bytes: Int64 = 0
    /// The app has sent something for this request.
    var hasUpstreamSpoken = false
    /// When the answer's head had come, or the router's own page took its place.
    var answeredAt: NIODeadline?
    /// The client waits for a 100 that nobody has sent.
    var awaitsContinue: Bool
    private(set) var isRequestSent = false
    private var body: BodyReader
    private var patience: BodyPatience
    private var claimed: RouteTable.Claimed?
    private var hasAvoidedAnInstance = false
    private var hasAskedAgain = false
    private var isOver = false

    var loop: RouterLoop { front.loop }

    init(front: FrontConnection, incoming: IncomingRequest, request: AppRequest, forwarded: ForwardedFields) {
        self.front = front
        self.incoming = incoming
        self.request = request
        self.forwarded = forwarded
        body = BodyReader(incoming.facts.framing)
        awaitsContinue = incoming.facts.expectsContinue
        let configuration = front.loop.configuration
        patience = BodyPatience(configuration.bodyTimeout, bytesPerSecond: configuration.bodyRate)
        let limits = configuration.limits
        answerScanner = HeadScanner(
            maxBytes: limits.responseHeadBytes, maxFields: limits.fieldCount, maxStartLine: limits.responseHeadBytes)
    }

    // MARK: - Finding an instance

    /// Begins; ends by telling the front connection that the exchange has ended.
    func start() {
        switch loop.table.claim(
            app: request.app, limit: loop.configuration.limits.requestsPerApp, now: incoming.start)
        {
        case .unknown: front.answer(.noSuchApp(request.app), to: incoming, app: request.app)
        case .unavailable(let state): front.answer(.unavailable(request.app, state), to: incoming, app: request.app)
        case .full: front.answer(.busy(request.app), to: incoming, app: request.app)
        case .instance(let claimed):
            self.claimed = claimed
            if let idle = loop.pool.take(claimed.instance) { attach(idle) } else { connect(claimed.instance) }
        }
    }

    private func connect(_ instance: Instance) {
        loop.pool.connect(instance) { [self] result in
            switch result {
            case .success(let connection) where isOver: connection.close()
            case .success(let connection) where connection.isUsable:
                loop.table.readmit(instance)
                attach(connection)
            case .failure where isOver: break
            case .success, .failure: connectFailed(instance)
            }
        }
    }

    /// Another instance gets the request: nothing of it has been sent yet, so that is safe for any method.
    private func connectFailed(_ failed: Instance) {
        loop.table.eject(failed, until: loop.thread.now + TimeAmount(loop.configuration.ejection))
        if !hasAvoidedAnInstance, case .instance(let other) = loop.table.claim(app: request.app, avoiding: failed) {
            hasAvoidedAnInstance = true
            if let claimed { loop.table.release(claimed) }
            claimed = other
            if other.instance !== failed { return connect(other.instance) }
        }
        fail(.badGateway(request.app, "it accepts no connection"))
    }

    private func attach(_ connection: UpstreamConnection) {
        upstream = connection
        connection.owner = self
        let rewriting = RequestRewriting(
            head: incoming.head, facts: incoming.facts, target: request.target, forwarded: forwarded,
            requestID: incoming.id)
        connection.compose { rewriting.write(to: connection.instance.upstream, into: &$0) }
        pumpRequest()
        readAhead()
        upstream?.read()
    }

    /// Keeps one read of the client outstanding: the next request then needs no change of the kernel's interest, and a
    /// client that leaves is noticed at once.
    private func readAhead() {
        if isRequestSent, front.input.readableBytes == 0 { front.read() }
    }

    /// The app closed a kept connection just when the request was sent: once more on a new one.
    private func retryOnNewConnection() -> Bool {
        guard let connection = upstream, connection.isReused, !hasUpstreamSpoken, !hasAskedAgain, incoming.isIdempotent,
            incoming.isBodyless
        else { return false }
        hasAskedAgain = true
        upstream = nil
        connection.close()
        front.timer.clear()
        isRequestSent = false
        body = BodyReader(incoming.facts.framing)
        connect(connection.instance)
        return true
    }

    // MARK: - Request

    /// Passes on what has arrived of the body, and asks for more when the app takes it.
    private func pumpRequest() {
        guard let upstream, !isRequestSent else { return }
        let writer = BodyWriter(isChunked: incoming.facts.framing == .chunked)
        var received = 0
        do throws(FramingError) {
            while !isRequestSent, let piece = try body.next(&front.input) {
                switch piece {
                case .data(let data):
                    awaitsContinue = false
                    received += data.readableBytes
                    writer.writeData(data, write: upstream.write)
                case .end(let trailers):
                    writer.writeEnd(trailers, dropping: incoming.facts.connection, write: upstream.write)
                    isRequestSent = true
                }
            }
        } catch {
            return fail(.refused(error))
        }
        upstream.flush()
        if !isRequestSent {
            if received > 0 { patience.earn(received, at: loop.thread.now.uptimeNanoseconds) }
            if upstream.isWritable { front.read() }
        }
        rearm()
    }

    /// The client takes what is written to it, or has to within the time for that.
    func readMoreOfAnswer() {
        if front.isWritable {
            upstream?.read()
        } else if answer != nil {
            front.timer.set(loop.configuration.sendTimeout)
        }
    }

    /// Which silence is measured now, and how long it may last. A live answer may be silent for ever.
    func rearm() {
        guard let upstream, answer == nil, !isOver else { return front.timer.clear() }
        let configuration = loop.configuration
        if isRequestSent {
            front.timer.set(configuration.firstByteTimeout)
        } else if !upstream.isWritable {
            patience.pause(at: loop.thread.now.uptimeNanoseconds)
            front.timer.set(configuration.firstByteTimeout)
        } else if awaitsContinue {
            front.timer.set(configuration.continueTimeout)
        } else {
            front.timer.set(patience.wait(at: loop.thread.now.uptimeNanoseconds))
        }
    }

    // MARK: - The end

    /// The answer is complete. The app's connection is kept when both sides are exactly at a message's end.
    func finish(_ answer: Answer) {
        front.flush()
        let connection = upstream
        upstream = nil
        let isReusable = isRequestSent && answer.facts.keepAlive && answer.facts.framing != .untilClose
        let isWanted = end(status: answer.status, isCut: false)
        if let connection {
            if isReusable, isWanted, connection.isUsable, connection.input.readableBytes == 0 {
                loop.pool.put(connection)
            } else {
                connection.close()
            }
        }
        front.exchangeEnded(keepAlive: isRequestSent && answer.keepAlive)
    }

    /// Nothing usable comes from the app, or nothing sensible from the client: a page instead of the answer, or a
    /// visible cut when the answer has begun.
    func fail(_ page: OwnPage) {
        guard !isOver else { return }
        upstream?.close()
        upstream = nil
        if let answer {
            end(status: answer.status, isCut: true)
            front.cutAnswer(resetting: answer.framing == .untilClose)
        } else {
            isOver = true
            answeredAt = loop.thread.now
            let upstreamID = claimed?.instance.upstream.id
            release(status: nil)
            front.answer(
                page, to: incoming, app: request.app, upstreamID: upstreamID,
                isRequestComplete: body.isComplete && page.status >= 500)
        }
    }

    /// The connection to the app ended before the answer did.
    func answerEndedEarly(_ reason: String) {
        if retryOnNewConnection() { return }
        fail(.badGateway(request.app, reason))
    }

    /// Releases the instance and writes the access log. Returns whether the instance is still routed to.
    @discardableResult
    func end(status: Int, isCut: Bool) -> Bool {
        isOver = true
        front.timer.clear()
        let upstreamID = claimed?.instance.upstream.id
        let isWanted = release(status: status)
        loop.accessLog?(
            incoming.record(
                app: request.app, status: status, bytes: bytes, upstreamID: upstreamID, isCut: isCut,
                now: loop.thread.now))
        return isWanted
    }

    /// - Parameter status: nil when the answer is the router's own, which counts it.
    @discardableResult
    private func release(status: Int?) -> Bool {
        guard let claimed else { return false }
        self.claimed = nil
        return loop.table.release(claimed, .init(latencyNanoseconds: latencyNanoseconds, status: status))
    }

    /// From the request's head to the answer's; nil before that.
    private var latencyNanoseconds: Int64? { answeredAt.map { ($0 - incoming.start).nanoseconds } }
}

extension Exchange: ClientSide {
    func clientReadable() {
        pumpRequest()
        readAhead()
    }

    func clientWritable() {
        if answer != nil { front.timer.clear() }
        upstream?.read()
    }

    func clientInputEnding() { clientInputClosed() }

    /// A client that closes its side has gone: proxies agree on that, since a browser's closed tab looks the same.
    func clientInputClosed() {
        clientGone()
        front.cut()
    }

    func clientGone() {
        guard !isOver else { return }
        upstream?.close()
        upstream = nil
        end(status: answer?.status ?? 499, isCut: true)
    }

    func deadlinePassed() {
        if answer != nil {
            // It has taken nothing of the answer for too long: what waits for it holds memory and an app's connection.
            clientGone()
            front.reset()
        } else if awaitsContinue, !isRequestSent, upstream?.isWritable == true {
            awaitsContinue = false
            front.write(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n"))
            front.flush()
            rearm()
        } else if isRequestSent || upstream?.isWritable == false {
            fail(.tooSlow(request.app, seconds: loop.configuration.firstByteTimeout.shortText))
        } else {
            fail(.requestTimeout)
        }
    }

    /// The app takes bytes again.
    func upstreamWritable() { pumpRequest() }
}
