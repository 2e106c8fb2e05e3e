// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// Where a stream's handler writes; what it writes goes out at once.
struct StreamWriter {
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    /// Sends some bytes; waits while the client does not read.
    mutating func write(_ buffer: ByteBuffer) async throws {
        guard buffer.readableBytes > 0 else { return }
        try await writer.write(buffer)
    }

    consuming func finish() async throws { try await writer.finish(nil) }
}

extension Response {
    /// A response whose body is written as it comes.
    ///
    /// The body ends when `produce` returns, and is cancelled when the client goes away.
    ///
    /// - Parameter permit: held as long as the stream lives.
    static func stream(
        _ request: Request, contentType: String, permit: StreamLimiter.Permit,
        _ produce: @escaping @Sendable (inout StreamWriter) async throws -> Void
    ) -> Response {
        var headers: HTTPFields = [.contentType: contentType, .cacheControl: "no-store"]
        // nginx and others in front would hold the lines back.
        if let name = HTTPField.Name("X-Accel-Buffering") { headers[name] = "no" }
        let body = ResponseBody { bodyWriter in
            let writer = bodyWriter
            try await request.body.consumeWithCancellationOnInboundClose { _ in
                var stream = StreamWriter(writer)
                try await produce(&stream)
                try await stream.finish()
            }
            withExtendedLifetime(permit) {}
        }
        return Response(status: .ok, headers: headers, body: body)
    }
}
