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
    /// A response whose body is written as it comes and ends when `produce` returns.
    ///
    /// - Parameters:
    ///   - follow: it may go on for ever. Then the client's going is watched for, and cancels it; that uses the
    ///     connection up, which the client is told.
    ///   - permit: held as long as the stream lives.
    static func stream(
        _ request: Request, contentType: String, follow: Bool, permit: StreamLimiter.Permit,
        _ produce: @escaping @Sendable (inout StreamWriter) async throws -> Void
    ) -> Response {
        var headers: HTTPFields = [.contentType: contentType, .cacheControl: "no-store"]
        if follow { headers[.connection] = "close" }
        // nginx and others in front would hold the lines back.
        if let name = HTTPField.Name("X-Accel-Buffering") { headers[name] = "no" }
        let body = ResponseBody { bodyWriter in
            let writer = bodyWriter
            let write = { () async throws in
                var stream = StreamWriter(writer)
                try await produce(&stream)
                try await stream.finish()
                withExtendedLifetime(permit) {}
            }
            if follow {
                try await request.body.consumeWithCancellationOnInboundClose { _ in try await write() }
            } else {
                try await write()
            }
        }
        return Response(status: .ok, headers: headers, body: body)
    }
}
