// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension OwnPage {
    /// What the answer depends on beside the page itself.
    struct Circumstances {
        /// The request's method is HEAD: no body.
        var isForHead = false
        /// The client would rather read HTML.
        var prefersHTML = false
        var requestID: RequestID
        var date: String
        /// Value of the Connection field, nil for none.
        var connection: String?
    }

    /// The whole answer, head and body.
    func response(_ circumstances: Circumstances) -> (bytes: ByteBuffer, body: Int) {
        let body = circumstances.prefersHTML ? Array(html().utf8) : json()
        var buffer = ByteBufferAllocator().buffer(capacity: body.count + 512)
        buffer.writeString("HTTP/1.1 \(status) \(reason)\r\n")
        buffer.writeField("Content-Type", circumstances.prefersHTML ? "text/html; charset=utf-8" : jsonType)
        buffer.writeField("Content-Length", String(body.count))
        buffer.writeStaticString(
            """
            Cache-Control: no-store\r
            Vary: Accept\r
            X-Content-Type-Options: nosniff\r
            Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r

            """)
        if let retryAfter { buffer.writeField("Retry-After", String(retryAfter)) }
        if let location { buffer.writeField("Location", location) }
        if status == 405 { buffer.writeStaticString("Allow: GET, HEAD, OPTIONS\r\n") }
        if let connection = circumstances.connection { buffer.writeField("Connection", connection) }
        buffer.writeField("Date", circumstances.date)
        buffer.writeRequestID(circumstances.requestID)
        buffer.writeStaticString("\r\n")
        if !circumstances.isForHead { buffer.writeBytes(body) }
        return (buffer, circumstances.isForHead ? 0 : body.count)
    }
}
