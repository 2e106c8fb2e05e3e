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
import Supervision

/// What the agent answers on its Unix socket: the logs of its apps, what they use, what is in force for them, and commands
/// that people run beside them. The control plane passes it through.
///
/// The socket is 0600 in a 0700 directory; whoever can open it is the agent's own user.
struct AgentAPI {
    let logs: LogStore
    let accessLogs: LogStore
    let sampler: StatsSampler
    let metrics: AgentMetrics
    let sessions: SessionService
    let inspect: @Sendable (String) async -> [InstanceInspection]
    let encoder: JSONEncoder

    init(
        logs: LogStore, accessLogs: LogStore, metrics: AgentMetrics, sessions: SessionService,
        inspect: @escaping @Sendable (String) async -> [InstanceInspection]
    ) {
        self.logs = logs
        self.accessLogs = accessLogs
        self.sampler = metrics.sampler
        self.metrics = metrics
        self.sessions = sessions
        self.inspect = inspect
        encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    /// The server as a service. Not Hummingbird's `Application`, whose date cache wakes the process every second.
    func server(socket: String, eventLoopGroup: any EventLoopGroup, logger: Logger) throws -> any Service {
        let router = Router()
        router.get("/v1/apps/{app}/logs") { request, context in try serveLogs(request, context) }
        router.post("/v1/sessions") { request, _ in try await sessions.serve(request) }
        router.get("/v1/stats") { request, _ in try await serveStats(request, appID: nil) }
        router.get("/v1/apps/{app}/stats") { request, context in
            try await serveStats(request, appID: try context.parameters.require("app"))
        }
        router.get("/v1/metrics") { _, _ in
            var body = ByteBuffer(bytes: try encoder.encode(await metrics.current()))
            body.writeInteger(UInt8(ascii: "\n"))
            return Response(
                status: .ok, headers: [.contentType: "application/x-ndjson"], body: ResponseBody(byteBuffer: body))
        }
        router.get("/v1/apps/{app}/inspection") { _, context in
            var body = ByteBuffer()
            for instance in await inspect(try context.parameters.require("app")) {
                body.writeBytes(try encoder.encode(instance))
                body.writeInteger(UInt8(ascii: "\n"))
            }
            return Response(
                status: .ok, headers: [.contentType: "application/x-ndjson"], body: ResponseBody(byteBuffer: body))
        }
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
            } catch let problem as Problem {
                response = Response(
                    status: HTTPResponse.Status(code: problem.status),
                    headers: [.contentType: "application/problem+json"],
                    body: ResponseBody(byteBuffer: ByteBuffer(bytes: try encoder.encode(problem))))
            }
            try await writer.write(response: response.head, body: response.body)
        }
    }
}
