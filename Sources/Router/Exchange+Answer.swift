// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension Exchange: UpstreamSide {
    func upstreamReadable() {
        hasUpstreamSpoken = true
        do throws(FramingError) {
            while answer == nil, let connection = upstream {
                guard let bytes = try answerScanner.next(&connection.input) else { return }
                try takeHead(try HeadParser.response(bytes))
            }
            try pumpAnswer()
        } catch {
            fail(.badGateway(request.app, "its answer is not valid HTTP/1.1: \(error.detail)"))
        }
    }

    func upstreamReadComplete() {
        front.flush()
        readMoreOfAnswer()
    }

    func upstreamInputClosed() {
        if let answer, answer.body.framing == .untilClose {
            BodyWriter(isChunked: answer.framing == .chunked)
                .writeEnd(nil, dropping: answer.facts.connection, write: front.write)
            finish(answer)
        } else {
            answerEndedEarly(
                hasUpstreamSpoken
                    ? "it closed the connection in the middle of its answer"
                    : "it closed the connection without an answer")
        }
    }

    func upstreamGone(_ error: (any Error)?) {
        answerEndedEarly("the connection broke")
    }

    // MARK: - Head

    private func takeHead(_ head: ResponseHead) throws(FramingError) {
        guard let upstream else { return }
        let facts = try ResponseFacts(head, isForHead: incoming.isHead)
        let rewriting = ResponseRewriting(
            head: head, facts: facts,
            address: PublicAddress(
                prefix: request.prefix, authority: request.authority, scheme: front.client.scheme,
                upstream: upstream.instance.upstream),
            requestID: incoming.id)
        switch head.status {
        case 101: try switchProtocols(rewriting)
        case 100..<200: try passOnInterim(rewriting)
        default: begin(rewriting)
        }
    }

    private func begin(_ rewriting: ResponseRewriting) {
        answeredAt = loop.thread.now
        let minorVersion = incoming.head.minorVersion
        let framing = ResponseRewriting.framing(of: rewriting.facts, clientMinorVersion: minorVersion)
        let status = rewriting.head.status
        // A refusal in the middle of an upload, or before it began: what the client still sends has no reader.
        let isRefusal = !isRequestSent && (status >= 400 || awaitsContinue)
        let keepAlive =
            incoming.facts.keepAlive && framing != .untilClose && !isRefusal && !loop.isShuttingDown
        front.writeHead(
            AnswerHead(
                rewriting: rewriting, framing: framing,
                connection: front.connectionField(keepAlive: keepAlive, minorVersion: minorVersion),
                date: rewriting.facts.hasDate ? "" : loop.dateText()))
        front.timer.clear()
        answer = Answer(
            status: status, facts: rewriting.facts, body: BodyReader(rewriting.facts.framing), framing: framing,
            keepAlive: keepAlive)
    }

    private func passOnInterim(_ rewriting: ResponseRewriting) throws(FramingError) {
        interimAnswers += 1
        guard interimAnswers <= Self.maxInterimAnswers else { throw .malformed("it has no end of interim answers") }
        guard incoming.head.minorVersion == 1, rewriting.head.status != 100 || awaitsContinue else { return }
        if rewriting.head.status == 100 { awaitsContinue = false }
        front.compose { rewriting.writeInterim(into: &$0) }
        front.flush()
        rearm()
    }

    private func switchProtocols(_ rewriting: ResponseRewriting) throws(FramingError) {
        guard let connection = upstream, incoming.facts.upgrade != nil, isRequestSent, rewriting.facts.upgrade != nil
        else { throw .malformed("it switches to a protocol that nobody asked for") }
        front.compose { rewriting.writeInterim(into: &$0) }
        upstream = nil
        answeredAt = loop.thread.now
        let tunnel = Tunnel(front: front, upstream: connection) { [self] bytes in
            self.bytes = bytes
            end(status: 101, isCut: false)
        }
        tunnel.start()
    }

    // MARK: - Body

    private func pumpAnswer() throws(FramingError) {
        while let connection = upstream, let piece = try answer?.body.next(&connection.input), let answer {
            let writer = BodyWriter(isChunked: answer.framing == .chunked)
            switch piece {
            case .data(let data):
                bytes += Int64(data.readableBytes)
                writer.writeData(data, write: front.write)
            case .end(let trailers):
                writer.writeEnd(trailers, dropping: answer.facts.connection, write: front.write)
                return finish(answer)
            }
        }
    }
}
