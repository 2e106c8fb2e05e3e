// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import PaaSModel

/// A collector that takes `POST`s of NDJSON: the objects of `paas logs --json`, of one app at a time.
///
/// A batch is delivered when the answer is 2xx; anything else, and it is sent again.
struct HTTPCollector: DrainSink {
    let url: String
    let client: HTTPClient

    func deliver(_ batch: LogBatch, from origin: LogOrigin) async throws {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/x-ndjson")
        request.headers.add(name: "X-PaaS-App", value: origin.app)
        request.headers.add(name: "X-PaaS-Node", value: origin.node)
        request.body = .bytes(ByteBuffer(bytes: batch.json(LogBatch.JSONOptions())))
        let response = try await client.execute(request, timeout: .seconds(30))
        // To its end, or the connection could not be used again.
        _ = try await response.body.collect(upTo: 1 << 20)
        guard (200..<300).contains(response.status.code) else { throw Refusal(status: Int(response.status.code)) }
    }

    private struct Refusal: Error, CustomStringConvertible {
        let status: Int
        var description: String { "the collector answered \(status)" }
    }
}
