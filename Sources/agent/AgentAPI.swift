// SPDX-License-Identifier: Apache-2.0

import AppLogs
import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import PaaSModel
import ServiceLifecycle

/// What the agent answers on its Unix socket: the logs of its apps. The control plane passes it through.
///
/// The socket is 0600 in a 0700 directory; whoever can open it is the agent's own user.
struct AgentAPI {
    let logs: LogStore
    let encoder: JSONEncoder

    init(logs: LogStore) {
        self.logs = logs
        encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    /// The server as a service. Not Hummingbird's `Application`, whose date cache wakes the process every second.
    func server(socket: String, eventLoopGroup: any EventLoopGroup, logger: Logger) throws -> any Service {
        let router = Router()
        router.get("/v1/apps/{app}/logs") { request, context in try serveLogs(request, context) }
        let responder = router.buildResponder()
        return try HTTPServerBuilder.http1().buildServer(
            configuration: ServerConfiguration(address: .unixDomainSocket(path: socket)),
            eventLoopGroup: eventLoopGroup, logger: logger
        ) { request, writer, channel in
            let context = BasicRequestContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
            let response: Response
            do {
                response = try await responder.respond(to: request, context: context)
            } catch let error as any HTTPResponseError {
                response = try error.response(from: request, context: context)
            }
            try await writer.write(response: response.head, body: response.body)
        }
    }

    private func serveLogs(_ request: Request, _ context: some RequestContext) throws -> Response {
        let appID = try context.parameters.require("app")
        let parameters = request.uri.queryParameters
        let query = try Self.query(parameters)
        let following = parameters["follow"] == "true"
        let lines: LogLines
        do {
            lines = try logs.lines(query, of: appID, following: following)
        } catch {
            throw HTTPError(.badRequest, message: "\(error)")
        }
        let encoder = encoder
        let body = ResponseBody { bodyWriter in
            // Safe: the writer is used by this one closure, inside which all the waiting below happens.
            nonisolated(unsafe) let writer = bodyWriter
            try await cancelWhenGracefulShutdown {
                // An idle follower learns of a client that left only by its closed connection.
                try await request.body.consumeWithCancellationOnInboundClose { _ in
                    var writer = writer
                    var iterator = lines.makeAsyncIterator()
                    while let batch = try await iterator.nextBatch() {
                        var buffer = ByteBuffer()
                        for line in batch {
                            buffer.writeBytes(try encoder.encode(line))
                            buffer.writeInteger(UInt8(ascii: "\n"))
                        }
                        try await writer.write(buffer)
                    }
                    try await writer.finish(nil)
                }
            }
        }
        return Response(status: .ok, headers: [.contentType: "application/x-ndjson"], body: body)
    }

    private static func query(_ parameters: Parameters) throws -> LogQuery {
        var query = LogQuery()
        if let text = parameters["limit"] {
            guard let limit = Int(text), limit >= 0 else {
                throw HTTPError(.badRequest, message: "limit is not a number")
            }
            query.limit = limit
        }
        func time(_ name: Substring) throws -> Timestamp? {
            guard let text = parameters[name] else { return nil }
            guard let time = Timestamp(String(text)) else {
                throw HTTPError(.badRequest, message: "\(name) is not an RFC 3339 time")
            }
            return time
        }
        query.since = try time("since")
        query.until = try time("until")
        if let text = parameters["stream"] {
            guard let stream = LogLine.Stream(rawValue: String(text)) else {
                throw HTTPError(.badRequest, message: "stream is not stdout, stderr or system")
            }
            query.stream = stream
        }
        query.release = parameters["release"].map(String.init)
        return query
    }
}
