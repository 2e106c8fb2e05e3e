// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import PaaSModel
import ServiceLifecycle
import Supervision

extension AgentAPI {
    /// `/v1/stats` and `/v1/apps/{app}/stats`: one line, or with `follow=true` one each `interval` seconds.
    /// With `since=start` the line comes at once.
    func serveStats(_ request: Request, appID: String?) async throws -> Response {
        let parameters = request.uri.queryParameters
        guard let seconds = Int(parameters["interval"] ?? "1"), (1...3_600).contains(seconds) else {
            throw HTTPError(.badRequest, message: "interval is not 1 to 3600 seconds")
        }
        let headers: HTTPFields = [.contentType: "application/x-ndjson"]
        guard parameters["follow"] == "true" else {
            let snapshot =
                if parameters["since"] == "start" {
                    await sampler.snapshotSinceStart()
                } else {
                    await sampler.snapshot(history: parameters["history"] == "true")
                }
            return Response(
                status: .ok, headers: headers, body: ResponseBody(byteBuffer: try line(snapshot, appID: appID)))
        }
        let sampler = sampler
        let body = ResponseBody { bodyWriter in
            // Safe: the writer is used by this one closure, inside which all the waiting below happens.
            nonisolated(unsafe) let writer = bodyWriter
            try await cancelWhenGracefulShutdown {
                // A client that left is noticed at once, and not at the next line.
                try await request.body.consumeWithCancellationOnInboundClose { _ in
                    var writer = writer
                    for await snapshot in await sampler.snapshots(everySeconds: seconds) {
                        try await writer.write(try line(snapshot, appID: appID))
                    }
                    try await writer.finish(nil)
                }
            }
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    private func line(_ snapshot: StatsSnapshot, appID: String?) throws -> ByteBuffer {
        var snapshot = snapshot
        if let appID { snapshot.instances.removeAll { $0.appID != appID } }
        var buffer = ByteBuffer(bytes: try encoder.encode(snapshot))
        buffer.writeInteger(UInt8(ascii: "\n"))
        return buffer
    }
}
