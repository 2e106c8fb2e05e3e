// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// `GET /metrics`: everything that control plane and nodes count, read when it is asked for.
struct MetricsRoutes: Sendable {
    /// How long a node may take: less than the 10 s after which Prometheus gives the whole answer up.
    static let nodePatience = Duration.seconds(5)

    let service: ControlPlaneService
    let agents: AgentClient
    let limiter: StreamLimiter
    let usage: (@Sendable () -> ProcessUsage)?

    func add(to api: inout APIBuilder) {
        api.on(.get, "/metrics", access: .read) { _, _ in
            var report = MetricsReport()
            report.add(program: usage?(), openStreams: limiter.count)
            report.add(apps: try await service.apps())
            for (node, metrics) in try await nodes() { report.add(node: node, metrics: metrics) }
            return Response(
                status: .ok, headers: [.contentType: Exposition.contentType, .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: report.text())))
        }
    }

    /// All nodes in the order of their names, asked at the same time.
    private func nodes() async throws -> [(Node, NodeMetrics?)] {
        let nodes = try await service.allNodes()
        return try await withThrowingTaskGroup(of: (Int, NodeMetrics?).self) { group in
            for (index, node) in nodes.enumerated() {
                group.addTask { (index, node.connected ? try await metrics(of: node) : nil) }
            }
            var found = [NodeMetrics?](repeating: nil, count: nodes.count)
            for try await (index, metrics) in group { found[index] = metrics }
            return zip(nodes, found).map { ($0, $1) }
        }
    }

    /// Nil when the agent does not answer, or not what this version understands.
    private func metrics(of node: Node) async throws -> NodeMetrics? {
        do {
            let lines = try await agents.lines(node, "/v1/metrics", follow: false, patience: Self.nodePatience)
            let answer = NodeAnswer()
            try await lines.forEach { await answer.take(try JSONDecoder().decode(NodeMetrics.self, from: Data($0))) }
            return await answer.metrics
        } catch let error as CancellationError {
            throw error
        } catch {
            return nil
        }
    }
}

private actor NodeAnswer {
    var metrics: NodeMetrics?

    func take(_ metrics: NodeMetrics) { self.metrics = metrics }
}
