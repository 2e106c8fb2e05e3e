// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// What agents use, `/agent/v1/nodes/{node}/…`, and `GET /nodes`.
struct AgentRoutes: Sendable {
    /// Largest batch of reports in bytes: a report carries up to 20 log lines.
    static let maxReportBytes = 16 << 20

    let service: ControlPlaneService
    let limiter: StreamLimiter

    func add(to api: inout APIBuilder) {
        api.on(.get, "/nodes", access: .known) { _, _ in try .json(try await service.allNodes()) }
        api.on(.put, "/agent/v1/nodes/:node", access: .admin) { request, context in
            let node = try JSONBody.decode(Node.self, try await request.json(context))
            return try .json(try await service.register(node, as: context.parameter("node")))
        }
        api.on(.post, "/agent/v1/nodes/:node/reports", access: .admin) { request, context in
            let bytes = try await request.json(upTo: Self.maxReportBytes, context)
            let batch = try JSONBody.decode(ReportBatch.self, bytes)
            return try .json(try await service.report(batch, from: context.parameter("node")))
        }
        api.on(.get, "/agent/v1/nodes/:node/assignments", access: .admin, assignments)
    }

    @Sendable private func assignments(_ request: Request, _ context: APIContext) async throws -> Response {
        let node = context.parameter("node")
        let revision = try request.integer("revision", in: 0...Int64.max)
        try await service.requireNode(node)
        let permit = try limiter.permit()
        return .stream(request, contentType: StreamFormat.lines.contentType, follow: true, permit: permit) { writer in
            try await service.followAssignments(node: node, after: revision == 0 ? nil : revision) { messages in
                var lines = ByteBuffer()
                for message in messages {
                    lines.writeImmutableBuffer(try APIEncoding.encode(message))
                    lines.writeString("\n")
                }
                try await writer.write(lines)
            }
        }
    }
}
