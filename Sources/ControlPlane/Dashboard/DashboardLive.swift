// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// What keeps an open page alive, as server-sent events: `stats` with what nodes measure, and `change` when the page
/// should be fetched anew.
struct DashboardLive: Sendable {
    /// Seconds between two `stats`.
    static let interval = 2
    /// Frames that wait for a slow reader; older ones give way.
    private static let backlog = 256

    let service: ControlPlaneService
    let agents: AgentClient
    let limiter: StreamLimiter

    /// - Parameters:
    ///   - prefixes: of the store's keys that the page shows.
    ///   - nodes: whose figures are sent.
    ///   - path: of the figures at the agent; nil sends none.
    func stream(_ request: Request, prefixes: [String], nodes: [Node], path: String?) async throws -> Response {
        let permit = try limiter.permit()
        let revision = try await service.store.revision()
        return .stream(
            request, contentType: StreamFormat.events.contentType, follow: true, permit: permit
        ) { writer in
            // The head goes out with the first bytes, and the browser then knows that it is connected.
            try await writer.write(ByteBuffer(string: ": open\n\n"))
            var sources: [AgentLines] = []
            if let path {
                for node in nodes where node.connected {
                    if let history = try await lines(node, "\(path)?history=true", follow: false) {
                        try await history.forEach { try await writer.write(Self.frame("stats", $0)) }
                    }
                    let target = "\(path)?interval=\(Self.interval)&follow=true"
                    if let source = try await lines(node, target, follow: true) { sources.append(source) }
                }
            }
            // Without figures the first change ends the stream: the browser comes back, and an agent may be there.
            let lacksFigures = path != nil && sources.isEmpty
            for try await frame in frames(prefixes, after: revision, sources) {
                try await writer.write(frame)
                if lacksFigures { return }
            }
        }
    }

    /// Nil when the agent does not answer; the page then goes without its figures.
    private func lines(_ node: Node, _ target: String, follow: Bool) async throws -> AgentLines? {
        do {
            return try await agents.lines(node, target, follow: follow)
        } catch is Problem {
            return nil
        }
    }

    /// All of it as it comes. A node whose stream breaks ends the whole, so that the browser asks again.
    private func frames(
        _ prefixes: [String], after revision: Int64, _ sources: [AgentLines]
    ) -> AsyncThrowingStream<ByteBuffer, any Error> {
        let store = service.store
        return AsyncThrowingStream(bufferingPolicy: .bufferingNewest(Self.backlog)) { continuation in
            let task = Task {
                do {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask {
                            for try await _ in store.watch(prefixes, after: revision).untilShutdown() {
                                continuation.yield(Self.frame("change", "{}".utf8))
                            }
                        }
                        for source in sources {
                            group.addTask { try await source.forEach { continuation.yield(Self.frame("stats", $0)) } }
                        }
                        try await group.next()
                        group.cancelAll()
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// - Parameter data: one line.
    private static func frame(_ name: String, _ data: some Collection<UInt8>) -> ByteBuffer {
        var buffer = ByteBuffer(string: "event: \(name)\ndata: ")
        buffer.writeBytes(data)
        buffer.writeString("\n\n")
        return buffer
    }
}
