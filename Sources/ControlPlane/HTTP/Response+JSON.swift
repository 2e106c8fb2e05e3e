// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// How the API writes JSON: sorted keys, no escaped slashes.
enum APIEncoding {
    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return ByteBuffer(bytes: try encoder.encode(value))
    }
}

extension Response {
    /// A whole JSON document, with a newline at its end for terminals.
    static func json(
        _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:],
        contentType: String = "application/json"
    ) throws -> Response {
        json(body: try APIEncoding.encode(value), status: status, headers: headers, contentType: contentType)
    }

    /// A JSON array of elements that are JSON already.
    static func json(list elements: [ByteBuffer], headers: HTTPFields = [:]) -> Response {
        var body = ByteBuffer()
        body.reserveCapacity(elements.reduce(3) { $0 + $1.readableBytes + 1 })
        body.writeString("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { body.writeString(",") }
            body.writeImmutableBuffer(element)
        }
        body.writeString("]")
        return json(body: body, status: .ok, headers: headers, contentType: "application/json")
    }

    private static func json(
        body: ByteBuffer, status: HTTPResponse.Status, headers: HTTPFields, contentType: String
    ) -> Response {
        var body = body
        body.writeString("\n")
        var headers = headers
        headers[.contentType] = contentType
        headers[.cacheControl] = "no-store"
        headers[.contentLength] = String(body.readableBytes)
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}
