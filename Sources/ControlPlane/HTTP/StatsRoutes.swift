// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// `GET /stats` and `GET /apps/{…}/stats`: measured by the agents, passed through as it comes. While nobody asks,
/// nobody measures.
struct StatsRoutes: Sendable {
    let service: ControlPlaneService
    let agents: AgentClient
    let limiter: StreamLimiter

    func add(to api: inout APIBuilder) {
        api.on(.get, "/stats", access: .read) { request, _ in
            try await answer(request, from: try await service.allNodes(), path: "/v1/stats")
        }
        api.on(.get, "/apps/:name/stats", access: .readApp) { request, context in
            let snapshot = try await service.snapshot(context.parameter("name"))
            guard let app = snapshot.state.app else { throw Problem.appNotFound(context.parameter("name")) }
            let node = app.node.flatMap { snapshot.nodes[$0] }
            return try await answer(request, from: node.map { [$0] } ?? [], path: "/v1/apps/\(app.id)/stats")
        }
    }

    private func answer(_ request: Request, from nodes: [Node], path: String) async throws -> Response {
        let asked = try request.flag("follow")
        let format = StreamFormat.requested(by: request, follow: asked)
        let follow = asked || format == .events
        let interval = try request.integer("interval", in: 1...3_600) ?? 1
        let history = try request.flag("history")
        var target = "\(path)?interval=\(interval)&follow=\(follow)&history=\(history)"
        if let since = request.query("since") {
            guard since == "start" else {
                throw ValidationError(field: "since", message: "'\(since.prefix(40))' is not 'start'")
            }
            guard !follow else {
                throw ValidationError(field: "since", message: "is for one answer, not for a stream; leave follow out")
            }
            target += "&since=start"
        }
        let permit = try limiter.permit()
        let sources = try await open(nodes, target, follow: follow)
        return .stream(request, contentType: format.contentType, follow: follow, permit: permit) { writer in
            var isFirst = true
            try await writer.write(ByteBuffer(string: format.opening))
            for try await line in Self.merged(sources) {
                try await writer.write(format.frame(line.readableBytesView, isFirst: isFirst))
                isFirst = false
            }
            try await writer.write(ByteBuffer(string: format.closing))
        }
    }

    /// Asks every node that is there. One that does not answer is left out, unless it is the only one.
    private func open(_ nodes: [Node], _ target: String, follow: Bool) async throws -> [AgentLines] {
        var sources: [AgentLines] = []
        var failure: (any Error)?
        for node in nodes where node.connected || nodes.count == 1 {
            do {
                sources.append(try await agents.lines(node, target, follow: follow))
            } catch let problem as Problem {
                failure = problem
            }
        }
        if sources.isEmpty, let failure { throw failure }
        return sources
    }

    /// The lines of all nodes as they come. A node whose stream breaks ends the whole, so that the client learns of
    /// it and asks again.
    private static func merged(_ sources: [AgentLines]) -> AsyncThrowingStream<ByteBuffer, any Error> {
        // A client that reads slowly skips what it has no time for.
        AsyncThrowingStream(bufferingPolicy: .bufferingNewest(4 * max(1, sources.count))) { continuation in
            let task = Task {
                do {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for source in sources {
                            group.addTask { try await source.forEach { continuation.yield(ByteBuffer(bytes: $0)) } }
                        }
                        try await group.waitForAll()
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
