// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHPACK

/// Fields as HPACK carries them, any bytes: what is accepted becomes one head, or one trailer section, of HTTP/1.1 with the same fields.
enum HTTP2Fuzzing {
    static func run(_ bytes: [UInt8], _ cuts: Cuts) {
        var headers = HPACKHeaders()
        for line in bytes.split(separator: 0) {
            // The name ends at the first tab, which no name has.
            let parts = line.split(separator: 0x09, maxSplits: 1, omittingEmptySubsequences: false)
            // HPACK's decoder lets nothing else pass.
            headers.add(
                name: String(decoding: parts[0].filter { $0 < 0x80 }, as: UTF8.self),
                value: parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : "")
        }
        judge(head: headers, endStream: cuts.seed & 1 == 0)
        judge(trailers: headers)
        follow(bytes, cuts)
    }

    private static func judge(head headers: HPACKHeaders, endStream: Bool) {
        guard let head = try? HTTP2Head(headers, endStream: endStream) else { return }
        var output = ByteBuffer()
        head.write(into: &output)
        var scanner = HeadScanner(maxBytes: 1 << 20, maxFields: 1 << 16, maxStartLine: 1 << 20)
        var input = output
        guard let bytes = try? scanner.next(&input) else { fatalError("no head: \(output.text)") }
        // A method of more than 32 bytes is refused as in HTTP/1.1.
        guard let parsed = try? HeadParser.request(bytes, maxTarget: 1 << 20) else {
            return require(head.method.utf8.count > 32, "a bad head: \(output.text)")
        }
        require(input.readableBytes == 0, "more than a head: \(output.text)")
        let cookies = headers.count { $0.name == "cookie" }
        let others = headers.count { !$0.name.hasPrefix(":") && $0.name != "cookie" && $0.name != "host" }
        let added = 2 + (cookies > 0 ? 1 : 0) + (head.isChunked ? 1 : 0)
        require(parsed.fields.count == others + added, "other fields: \(output.text)")
        require(parsed.bytes.text(parsed.method) == head.method, "another method: \(output.text)")
        guard let facts = try? RequestFacts(parsed) else { return }
        require(!facts.keepAlive && facts.upgrade == nil, "another connection: \(output.text)")
        require((facts.framing == .chunked) == head.isChunked, "another framing: \(output.text)")
        guard let body = body(facts.framing) else { return }
        RequestFuzzing.passOn(parsed, facts, body, nil)
    }

    /// One that such a head may have; nil when it would be long.
    private static func body(_ framing: BodyReader.Framing) -> [UInt8]? {
        switch framing {
        case .chunked: [1, 2, 3]
        case .length(let length): length < 1 << 12 ? [UInt8](repeating: 0x61, count: length) : nil
        case .none, .untilClose: []
        }
    }

    private static func judge(trailers headers: HPACKHeaders) {
        guard let trailers = try? HTTP2Head.trailers(headers) else { return }
        require(trailers.fields.count == headers.count, "other trailers: \(trailers.bytes.text)")
        var output = ByteBuffer()
        BodyWriter(isChunked: true).writeEnd(trailers, dropping: ConnectionOptions()) {
            output.writeImmutableBuffer($0)
        }
        guard output.readableBytes <= ChunkedDecoder.maxTrailerBytes, trailers.fields.count <= 32 else { return }
        var reader = BodyReader(.chunked)
        guard case .end(let again) = try? reader.next(&output) else { fatalError("no trailers: \(output.text)") }
        require(output.readableBytes == 0, "more than trailers")
        let expected = trailers.bytes.withUnsafeReadableBytes { all in
            trailers.fields.count { TrailerField.mayPass($0, all) }
        }
        require((again?.fields.count ?? 0) == expected, "other trailers behind it")
    }

    /// The same is said, and the same is wrong, however the bytes come.
    private static func follow(_ bytes: [UInt8], _ cuts: Cuts) {
        let whole = said([ByteBuffer(bytes: bytes)])
        let cut = said(cuts.pieces(of: bytes))
        require(whole == cut, "frames depend on how they come: \(whole) \(cut)")
    }

    fileprivate struct Said: Equatable {
        var inputs: [HTTP2Input] = []
        var failure: HTTP2Failure?
        var isInside = false
    }

    private static func said(_ pieces: [ByteBuffer]) -> Said {
        var (reader, input, said) = (HTTP2FrameReader(), ByteBuffer(), Said())
        do throws(HTTP2Failure) {
            for piece in pieces {
                input.writeImmutableBuffer(piece)
                while let next = try reader.next(&input) { said.add(next) }
            }
            said.isInside = reader.isInside(input)
        } catch {
            said.failure = error
        }
        return said
    }
}

extension HTTP2Fuzzing.Said {
    /// Content may come in pieces.
    fileprivate mutating func add(_ next: HTTP2Input) {
        if case .content(let stream, let bytes) = next, case .content(stream, var before)? = inputs.last {
            before.writeImmutableBuffer(bytes)
            inputs[inputs.count - 1] = .content(stream: stream, before)
        } else {
            inputs.append(next)
        }
    }
}
