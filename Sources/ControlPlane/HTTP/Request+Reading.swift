// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

extension Request {
    /// The body, when it is JSON.
    ///
    /// - Throws: `Problem` 415 for another content type; as `collect(upTo:_:)`.
    func json(
        upTo limit: Int = JSONBody.maxBytes, types: Set<String> = ["application/json"], _ context: APIContext
    ) async throws -> [UInt8] {
        if let type = headers[.contentType] {
            let essence = type.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
            guard types.contains(essence) else { throw Problem.unsupportedMediaType(types.sorted()[0]) }
        }
        return Array(buffer: try await collect(upTo: limit, context))
    }

    /// The whole body.
    ///
    /// - Throws: `Problem` 413 when it is larger than allowed, 503 when it and all others are (see `BodyBudget`).
    func collect(upTo limit: Int, _ context: APIContext) async throws -> ByteBuffer {
        let tooLarge = Problem.tooLarge("the body may have at most \(ByteCount(bytes: Int64(limit)))")
        if let length = headers[.contentLength].flatMap(Int.init), length > limit { throw tooLarge }
        var bytes = ByteBuffer()
        for try await chunk in body {
            guard bytes.readableBytes + chunk.readableBytes <= limit else { throw tooLarge }
            try context.bodyShare?.take(chunk.readableBytes)
            bytes.writeImmutableBuffer(chunk)
        }
        return bytes
    }

    /// Checks that the query has nothing but these, each at most once: what is misspelt must not be ignored.
    ///
    /// - Throws: `ValidationError` that names the first other one.
    func requireQuery(of known: Set<String>) throws {
        var seen: Set<Substring> = []
        for (name, _) in uri.queryParameters {
            let field = String(name.prefix(80))
            guard known.contains(String(name)) else {
                let names = known.isEmpty ? "there is none" : "there are " + known.sorted().joined(separator: ", ")
                throw ValidationError(field: field, message: "is no parameter of this request; \(names)")
            }
            guard seen.insert(name).inserted else { throw ValidationError(field: field, message: "is given twice") }
        }
    }

    /// A parameter of the query; nil when it is absent.
    func query(_ name: String) -> String? {
        uri.queryParameters[Substring(name)].map(String.init)
    }

    /// A boolean of the query, `true` or `false`; absent is false.
    ///
    /// - Throws: `ValidationError`.
    func flag(_ name: String) throws -> Bool {
        switch query(name) {
        case nil, "false": return false
        case "true": return true
        case .some(let text):
            throw ValidationError(field: name, message: "'\(text.prefix(40))' is not true or false")
        }
    }

    /// An integer of the query; nil when it is absent.
    ///
    /// - Throws: `ValidationError` when it is not in the range.
    func integer(_ name: String, in range: ClosedRange<Int64>) throws -> Int64? {
        guard let text = query(name) else { return nil }
        guard let number = Int64(text), range.contains(number) else {
            throw ValidationError(
                field: name,
                message: "'\(text.prefix(40))' is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// The revision in If-Match; nil when the header is absent or `*`.
    ///
    /// - Throws: `Problem` 400 for what is no entity tag, 412 for one that this server never gave.
    func ifMatch() throws -> Int64? {
        guard let header = headers[.ifMatch], header != "*" else { return nil }
        let isTag = header.utf8.count >= 2 && header.hasPrefix("\"") && header.hasSuffix("\"")
        guard isTag, !header.dropFirst().dropLast().contains("\"") else {
            // A weak tag is well-formed, and matches nothing here (RFC 9110 §13.1.1).
            if header.hasPrefix("W/\""), header.hasSuffix("\"") { throw Problem.stale }
            // So is a list without any tag.
            if header.isEmpty { throw Problem.stale }
            throw Problem.malformed("If-Match is not '*' or an ETag in double quotes")
        }
        guard let revision = Int64(header.dropFirst().dropLast()) else { throw Problem.stale }
        return revision
    }
}

extension String {
    /// One to so many visible ASCII characters: no space, nothing that a terminal or a header takes for more than text.
    func isVisibleASCII(upTo most: Int) -> Bool {
        (1...most).contains(utf8.count) && utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
